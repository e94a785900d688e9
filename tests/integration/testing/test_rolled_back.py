"""The sessions of a test share a transaction, whatever tasks, event loops and threads they are in.

`Things` is what an application has: functions that begin sessions.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from alembic_live import ConfigurationError
from alembic_live.testing import shared_connection
from alembic_live.testing.committing import committing
from alembic_live.testing.outlived import OutlivedTaskError
from alembic_live.testing.rolled_back import RolledBack, close
from alembic_live.testing.shared_connection import SharedTransactionError, SharedTransactionWarning
from project import wait_until
from server import Database
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

SLEEPING = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
)
ALL = "SELECT coalesce(string_agg(name, ' ' ORDER BY name), '') FROM things"


@dataclass
class Things:
    """Sessions on a table, which an application begins by itself."""

    database: Database
    engine: AsyncEngine
    factory: async_sessionmaker[AsyncSession]

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Commits at its end, as `session()` of a rendered project."""
        async with self.factory() as session:
            yield session
            await session.commit()

    async def add(self, name: str, *, wait: float = 0, fail: bool = False) -> None:
        """A session that adds a thing, and takes some time."""
        async with self.session() as session:
            await insert(session, name)
            await session.execute(text("SELECT pg_sleep(:wait)"), {"wait": wait})
            if fail:
                raise ZeroDivisionError

    async def all(self) -> str:
        """The names that a new session sees."""
        async with self.session() as session:
            return await names(session)

    async def sleeping(self) -> "asyncio.Task[None]":
        """A task whose session runs a query for a minute."""
        task = asyncio.create_task(self.add("z", wait=60))
        await asyncio.to_thread(wait_until, lambda: self.database.query(SLEEPING) != [])
        return task

    def rolled_back(self) -> RolledBack:
        """The block of a test."""
        return RolledBack(self.engine, self.factory)


async def insert(session: AsyncSession, name: str) -> None:
    await session.execute(text("INSERT INTO things VALUES (:name)"), {"name": name})


async def names(session: AsyncSession) -> str:
    return str(await session.scalar(text(ALL)))


@pytest.fixture(scope="module")
def things_database(server: Database) -> Iterator[Database]:
    with server.another(f"rolled_back_{threading.get_native_id()}") as database:
        database.query("CREATE TABLE things (name text UNIQUE CHECK (name <> ''))")
        yield database


@pytest.fixture(params=["asyncpg", "psycopg"])
def things(
    things_database: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Things]:
    monkeypatch.setattr(shared_connection, "PATIENCE", 0.5)
    engine = create_async_engine(things_database.address(request.param).url)
    yield Things(things_database, engine, async_sessionmaker(engine, expire_on_commit=False))
    close()
    assert things_database.query("SELECT name FROM things") == []


def test_concurrent_sessions_run_one_after_another(things: Things) -> None:
    async def main(db: AsyncSession) -> None:
        await asyncio.gather(*(things.add(name, wait=0.01) for name in "abcde"))
        assert await asyncio.gather(*(things.all() for _ in range(5))) == ["a b c d e"] * 5
        assert await names(db) == "a b c d e"

    with things.rolled_back() as db:
        asyncio.run(main(db))


def test_one_of_them_fails(things: Things) -> None:
    async def main(db: AsyncSession) -> None:
        work = (things.add("a", wait=0.01), things.add("b", fail=True), things.add("c"))
        results = await asyncio.gather(*work, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), ZeroDivisionError, type(None)]
        assert await names(db) == "a c"
        with pytest.raises(ExceptionGroup):
            await in_group(things.add(""), things.add("d"))
        with pytest.raises(ExceptionGroup):
            await in_group(things.add("e", wait=0.01), things.add(""))
        await things.add("f")
        assert await names(db) == "a c e f"

    async def in_group(*work: Coroutine[Any, Any, None]) -> None:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)

    with things.rolled_back() as db:
        asyncio.run(main(db))


def test_each_loop_and_thread_has_the_transaction(things: Things) -> None:
    async def main() -> None:
        threads = [asyncio.to_thread(asyncio.run, things.add(name)) for name in "abc"]
        await asyncio.gather(*threads, things.add("d"), things.add("e"))

    with things.rolled_back() as db:
        asyncio.run(things.add("x"))
        asyncio.run(main())
        assert asyncio.run(names(db)) == "a b c d e x"
        assert asyncio.run(things.all()) == "a b c d e x"


def test_a_block_in_a_coroutine(things: Things) -> None:
    async def main() -> None:
        for _ in range(2):
            async with things.rolled_back() as db:
                await insert(db, "a")
                assert await things.all() == "a"

    asyncio.run(main())


def test_a_session_in_a_session(things: Things) -> None:
    async def main(db: AsyncSession) -> None:
        async with things.session() as outer:
            await insert(outer, "a")
            await asyncio.gather(things.add("b"), things.add("c"))
            assert await names(outer) == "a b c"
        assert await names(db) == "a b c"
        async with things.factory() as reader:  # it ends with a rollback
            await names(reader)
            await things.add("d")
        assert await names(db) == "a b c d"

    with things.rolled_back() as db:
        asyncio.run(main(db))


def test_a_task_outlives_the_session_around_it(things: Things) -> None:
    async def main(db: AsyncSession) -> None:
        async with things.session() as outer:
            await insert(outer, "a")
            task = asyncio.create_task(things.add("b", wait=0.05))
            await asyncio.sleep(0.02)
        await task
        assert await names(db) == "a b"

    with things.rolled_back() as db:
        asyncio.run(main(db))


def test_a_rollback_keeps_what_others_have_committed(things: Things) -> None:
    async def main(db: AsyncSession) -> None:
        await names(db)
        await things.add("a")
        await insert(db, "b")
        await db.rollback()
        assert await names(db) == "a"
        await things.add("c")
        with pytest.raises(IntegrityError):
            await insert(db, "")
        await db.rollback()
        assert await names(db) == "a c"

    with things.rolled_back() as db:
        asyncio.run(main(db))


def test_a_rollback_that_cannot_keep_it_warns(things: Things) -> None:
    async def main(db: AsyncSession) -> None:
        await insert(db, "a")
        await things.add("b")
        with pytest.warns(SharedTransactionWarning, match="what another session had committed"):
            await db.rollback()
        assert await names(db) == ""

    with things.rolled_back() as db:
        asyncio.run(main(db))


def test_a_savepoint_is_no_other_session(things: Things) -> None:
    async def main(db: AsyncSession) -> None:
        async with things.session() as session:
            await insert(session, "a")
            with pytest.raises(IntegrityError):
                async with session.begin_nested():
                    await insert(session, "")
            async with session.begin_nested():
                await insert(session, "b")
            await session.rollback()
            await insert(session, "c")
        assert await names(db) == "c"

    with things.rolled_back() as db:
        asyncio.run(main(db))


def test_a_failed_statement_of_one_does_not_stop_another(things: Things) -> None:
    async def main(db: AsyncSession) -> None:
        with pytest.raises(DBAPIError):
            await db.execute(text("SELECT 1/0"))
        await things.add("a")
        await db.rollback()
        assert await names(db) == "a"

    with things.rolled_back() as db:
        asyncio.run(main(db))


def test_sessions_of_one_task_end_in_any_order(things: Things) -> None:
    async def main(db: AsyncSession) -> None:
        first, second = things.factory(), things.factory()
        await insert(first, "a")
        await insert(second, "b")
        with pytest.warns(Warning, match="deassociated"):
            await first.commit()
        await second.commit()
        assert await names(db) == "a b"
        await insert(first, "c")
        await insert(second, "d")
        with pytest.warns(Warning, match=r"deassociated|what another session"):
            await first.rollback()
        with pytest.raises(SharedTransactionError, match="End them in reverse order"):
            await second.commit()
        await second.rollback()
        assert await names(db) == "a b"

    with things.rolled_back() as db:
        asyncio.run(main(db))


def test_a_session_that_waits_for_too_long_says_for_what(things: Things) -> None:
    async def main() -> None:
        end = asyncio.Event()

        async def hold() -> None:
            async with things.session() as session:
                await insert(session, "a")
                await end.wait()

        holder = asyncio.create_task(hold())
        await asyncio.sleep(0.05)
        with pytest.raises(SharedTransactionError, match="has waited"):
            await things.add("b")
        end.set()
        await holder
        await things.add("b")
        assert await things.all() == "a b"

    with things.rolled_back():
        asyncio.run(main())


def test_a_cancelled_query_does_not_end_the_transaction(things: Things) -> None:
    async def main(db: AsyncSession) -> None:
        await things.add("a")
        for _ in range(2):
            task = await things.sleeping()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await things.add("c")
        assert await names(db) == "a c"

    with things.rolled_back() as db:
        asyncio.run(main(db))


def test_the_next_test_is_clean_after_a_session_that_stays_open(things: Things) -> None:
    async def leave_open() -> AsyncSession:
        session = things.factory()
        await insert(session, "a")
        return session

    loop = asyncio.new_event_loop()
    with (
        pytest.warns(SharedTransactionWarning, match="still open at the end of this test"),
        things.rolled_back(),
    ):
        session = loop.run_until_complete(leave_open())
    with things.rolled_back() as db:
        assert loop.run_until_complete(names(db)) == ""
        loop.run_until_complete(things.add("b"))
        loop.run_until_complete(session.close())
        assert loop.run_until_complete(names(db)) == "b"
    loop.close()


@pytest.mark.parametrize("then", ["rolled back", "committing", "real"])
def test_a_task_that_outlives_its_test_is_refused(things: Things, then: str) -> None:
    async def start() -> asyncio.Task[None]:
        await things.all()

        async def later() -> None:
            await asyncio.sleep(0.02)
            await things.add("late")

        return asyncio.create_task(later())

    async def end(task: asyncio.Task[None]) -> None:
        with pytest.raises(OutlivedTaskError, match="an earlier test has started"):
            await task
        await things.all()

    loop = asyncio.new_event_loop()
    with things.rolled_back():
        task = loop.run_until_complete(start())
    if then == "rolled back":
        with things.rolled_back():
            loop.run_until_complete(end(task))
    else:
        loop.run_until_complete(end(task))
    loop.run_until_complete(things.engine.dispose())
    loop.close()


def test_a_task_that_is_older_than_the_test_may_go_on(things: Things) -> None:
    async def work(asked: asyncio.Event, done: asyncio.Event) -> None:
        while True:
            await asked.wait()
            asked.clear()
            await things.add("w")
            done.set()

    async def main() -> None:
        asked, done = asyncio.Event(), asyncio.Event()
        worker = asyncio.create_task(work(asked, done))
        await asyncio.sleep(0)
        for _ in range(2):
            async with things.rolled_back() as db:
                asked.set()
                await asyncio.wait_for(done.wait(), 10)
                done.clear()
                assert await names(db) == "w"
        worker.cancel()

    asyncio.run(main())


def test_a_query_that_runs_at_the_end_is_cancelled(things: Things) -> None:
    async def end(task: asyncio.Task[None]) -> None:
        with pytest.raises(asyncio.CancelledError):
            await task

    loop = asyncio.new_event_loop()
    with pytest.warns(SharedTransactionWarning, match="still open"), things.rolled_back():
        task = loop.run_until_complete(things.sleeping())
    loop.run_until_complete(end(task))
    with things.rolled_back():
        assert asyncio.run(things.all()) == ""
    loop.close()


def test_a_connection_that_the_server_has_closed_is_replaced(things: Things) -> None:
    with things.rolled_back() as db, pytest.raises(DBAPIError):
        asyncio.run(names_after_kill(db))
    with things.rolled_back():
        asyncio.run(things.add("a"))
        pid = asyncio.run(pid_of(things))
    things.database.query("SELECT pg_terminate_backend(%s)", pid)
    with things.rolled_back() as db:
        asyncio.run(things.add("a"))
        assert asyncio.run(names(db)) == "a"


async def names_after_kill(db: AsyncSession) -> str:
    await db.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    return await names(db)


async def pid_of(things: Things) -> int:
    async with things.session() as session:
        return int(await session.scalar(text("SELECT pg_backend_pid()")) or 0)


def test_rows_are_streamed_to_another_loop(things: Things) -> None:
    async def stream() -> list[Any]:
        async with things.session() as session:
            rows = await session.stream_scalars(text("SELECT generate_series(1, 200)"))
            return [row async for row in rows]

    with things.rolled_back():
        assert asyncio.run(stream()) == list(range(1, 201))


def test_the_factory_is_as_before(things: Things) -> None:
    before = dict(things.factory.kw)
    with things.rolled_back():
        assert things.factory.kw != before
    assert things.factory.kw == before


def test_another_library_than_asyncio_gets_a_sentence(things: Things) -> None:
    with (
        things.rolled_back() as db,
        pytest.raises(ConfigurationError, match="Sessions need asyncio"),
    ):
        names(db).send(None)  # as trio does


def test_sessions_that_commit(things: Things, server: Database) -> None:
    copy = f"{things.database.name}_copy"

    async def fail() -> None:
        async with things.session() as outer:
            await insert(outer, "a")
            threads = [asyncio.to_thread(asyncio.run, things.add(name)) for name in "bc"]
            await asyncio.gather(*threads, things.add("d"), things.add("e"))
            raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await things.all() == "b c d e"

    with server.another(copy, things.database.name) as database:
        with committing(things.engine, database.address(), things.factory):
            asyncio.run(main())
        assert database.value(ALL) == "b c d e"
