"""A handler of FastAPI's takes its session as the template says, and answers when it is committed.
Runs inside a rendered project.
"""

from typing import Annotated

import httpx
from fastapi import Depends, FastAPI
from my_service.database.models.note import Note
from my_service.database.session import get_session
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

app = FastAPI()


@app.post("/notes")
async def write(
    title: str, db: Annotated[AsyncSession, Depends(get_session, scope="function")]
) -> str:
    db.add(Note(title=title))
    return title


async def post(title: str) -> int:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return (await client.post("/notes", params={"title": title})).status_code


async def test_a_row_that_postgres_refuses_is_no_success(db: AsyncSession) -> None:
    assert await post("kept") == 200
    assert await post("") == 500
    assert [note.title for note in await db.scalars(select(Note))] == ["kept"]
