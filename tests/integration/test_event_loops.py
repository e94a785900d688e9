"""An application's engine in several event loops, threads and processes."""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import pytest
from alembic_live import ConfigurationError, DatabaseSettings, Project, create_application_engine
from project import wait_until
from server import Database
from sqlalchemy import MetaData, NullPool, event, text
from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])

SIZE = 3
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = %s"
SLEEPING = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
)


@pytest.fixture
def engine(database: Database, driver: str) -> AsyncEngine:
    settings = DatabaseSettings.load(**database.environment | {"DB_DRIVER_ASYNC": driver})
    project = Project(settings=settings, metadata=MetaData())
    return create_application_engine(project, pool_size=SIZE)


@pytest.fixture(autouse=True)
def _no_connection_stays(database: Database) -> Iterator[None]:
    yield
    wait_until(lambda: database.value(SESSIONS, database.name) == 0)


async def use(engine: AsyncEngine, times: int = 2 * SIZE) -> None:
    async def one() -> None:
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 1 FROM pg_sleep(0.005)")) == 1

    await asyncio.gather(*(one() for _ in range(times)))


def in_threads(work: Callable[[], Coroutine[Any, Any, None]], count: int = 4) -> None:
    """Run work in threads, each of which has an event loop."""
    errors = list[BaseException]()

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_asyncio_run_works_twice_and_closes_its_connections(
    engine: AsyncEngine, database: Database
) -> None:
    for _ in range(2):
        asyncio.run(use(engine))
        wait_until(lambda: database.value(SESSIONS, database.name) == 0)


def test_threads_have_pools(engine: AsyncEngine) -> None:
    in_threads(lambda: use(engine))
    in_threads(lambda: use(engine))


def test_a_thread_disposes_of_its_connections_alone(engine: AsyncEngine) -> None:
    async def dispose() -> None:
        await use(engine)
        await engine.dispose()

    async def main() -> None:
        await use(engine)
        async with engine.connect() as connection:
            await asyncio.to_thread(in_threads, dispose, 1)
            assert await connection.scalar(text("SELECT 1")) == 1
            await use(engine)
        await asyncio.gather(use(engine, 20), asyncio.to_thread(in_threads, dispose, 1))
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]

    asyncio.run(main())


def test_a_loop_that_ends_badly_leaves_no_trap(engine: AsyncEngine) -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(use(engine))
    loop.close()  # without shutdown_asyncgens()

    def use_and_collect() -> None:
        asyncio.run(use(engine))
        gc.collect()

    with pytest.warns(ResourceWarning):
        use_and_collect()


@pytest.mark.parametrize("loop", ["another", "same"])
def test_a_forked_process_leaves_the_connections_of_its_parent_alone(
    engine: AsyncEngine, loop: str
) -> None:
    async def pids() -> set[int]:
        async def pid() -> int:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT pg_sleep(0.02)"))
                return int(await connection.scalar(text("SELECT pg_backend_pid()")) or 0)

        return {*await asyncio.gather(*(pid() for _ in range(SIZE)))}

    parents = asyncio.new_event_loop()
    before = parents.run_until_complete(pids())
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        with suppress(BaseException):
            runner = parents if loop == "same" else asyncio.new_event_loop()
            own = runner.run_until_complete(pids())
            runner.run_until_complete(engine.dispose())
            runner.run_until_complete(runner.shutdown_asyncgens())
            os._exit(len(own & before))
        os._exit(99)
    assert os.waitpid(child, 0)[1] == 0
    assert parents.run_until_complete(pids()) == before
    parents.run_until_complete(engine.dispose())
    parents.close()


def test_a_cancelled_query_leaves_the_pool_whole(engine: AsyncEngine, database: Database) -> None:
    async def slow() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(60)"))

    async def main() -> None:
        for _ in range(SIZE + 1):
            task = asyncio.create_task(slow())
            await asyncio.to_thread(wait_until, lambda: database.query(SLEEPING) != [])
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await use(engine)
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]

    asyncio.run(main())


def test_another_library_than_asyncio_gets_a_sentence(engine: AsyncEngine) -> None:
    async def connect() -> None:
        await engine.connect()

    with pytest.raises(ConfigurationError, match="Sessions need asyncio"):
        connect().send(None)  # as trio does


def test_a_listener_hears_of_each_loop(engine: AsyncEngine) -> None:
    heard = list[int]()

    async def main() -> None:
        await use(engine, 1)
        event.listen(engine.sync_engine, "checkin", lambda *_: heard.append(1))
        await use(engine, 1)
        await asyncio.to_thread(in_threads, lambda: use(engine, 1), 1)

    asyncio.run(main())
    assert heard == [1, 1]


def test_an_engine_may_have_another_pool(database: Database, driver: str) -> None:
    settings = DatabaseSettings.load(**database.environment | {"DB_DRIVER_ASYNC": driver})
    project = Project(settings=settings, metadata=MetaData())
    engine = create_application_engine(project, poolclass=NullPool)
    asyncio.run(use(engine))
