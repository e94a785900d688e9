"""Sessions commit, roll back and close; reading ones do not write. Runs inside a rendered project,
on a real pool: no fixture that rolls back stands between.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from alembic_live import ReadOnlyError
from my_service.database.engine import get_engine
from my_service.database.models.note import Note
from my_service.database.session import get_session, read_session, session
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.fixture(autouse=True)
async def no_notes(engine: AsyncEngine) -> AsyncIterator[None]:
    """Each test begins without notes and gives all connections back."""
    async with session() as db:
        await db.execute(delete(Note))
    yield
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    async with session() as db:
        await db.execute(delete(Note))


async def count() -> int:
    async with read_session() as db:
        return (await db.scalars(select(func.count()).select_from(Note))).one()


async def test_a_block_that_ends_well_commits() -> None:
    async with session() as db:
        db.add(Note(title="kept"))
    assert await count() == 1


async def test_a_block_that_fails_rolls_back() -> None:
    async def fail() -> None:
        async with session() as db:
            db.add(Note(title="lost"))
            await db.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await count() == 0


async def test_objects_can_be_read_after_the_commit() -> None:
    async with session() as db:
        note = Note(title="kept")
        db.add(note)
        await db.flush()
    assert note.title == "kept"


async def test_a_handler_gets_a_session_as_a_dependency() -> None:
    async with aclosing(get_session()) as dependency:
        db = await anext(dependency)
        db.add(Note(title="kept"))
        with pytest.raises(StopAsyncIteration):
            await anext(dependency)
    assert await count() == 1


async def test_a_reading_session_refuses_to_write() -> None:
    async with read_session() as db:
        for statement in (
            insert(Note).values(title="x"),
            update(Note).values(title="x"),
            delete(Note),
            text("INSERT INTO notes (title) VALUES ('x')"),
            text(" truncate notes"),
        ):
            with pytest.raises(ReadOnlyError, match="use session"):
                await db.execute(statement)
        db.add(Note(title="x"))
        with pytest.raises(ReadOnlyError, match="use session"):
            await db.flush()
        db.expunge_all()
        for query in ("SELECT count(*) FROM notes", "with x as (select 0) select * from x"):
            assert await db.scalar(text(query)) == 0
    assert await count() == 0


async def test_the_application_is_known_by_name(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        row = await connection.exec_driver_sql("SHOW application_name")
        assert row.scalar_one() == "my_service"


async def test_there_is_one_engine() -> None:
    assert get_engine() is get_engine()
