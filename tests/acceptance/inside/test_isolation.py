"""What a test writes is gone in the next one. Runs inside a rendered project."""

import pytest
from my_service.database.models.note import Note
from my_service.database.session import session
from sqlalchemy import func, select

COUNT = select(func.count()).select_from(Note)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("time", ["first", "second"])
async def test_a_test_begins_without_what_others_committed(time: str) -> None:
    async with session() as writer:
        assert await writer.scalar(COUNT) == 0
        writer.add(Note(title=time))
    async with session() as reader:
        assert await reader.scalar(COUNT) == 1
