"""What a test writes is gone in the next one. Runs inside a rendered project."""

import pytest
from my_service.database.models.note import Note
from my_service.database.session import session
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession


@pytest.mark.parametrize("time", ["first", "second"])
async def test_a_test_begins_without_what_others_committed(db: AsyncSession, time: str) -> None:
    assert await db.scalar(select(func.count()).select_from(Note)) == 0
    async with session() as writer:
        writer.add(Note(title=time))
    assert await db.scalar(select(func.count()).select_from(Note)) == 1
