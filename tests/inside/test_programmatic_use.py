"""Alembic from a program: with its connection, in its event loop, from its threads, and without
touching its logging. Runs inside a rendered project.
"""

import asyncio
import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from my_service.config import settings
from my_service.database.address import Address
from my_service.migrate.command import run_command, upgrade_to_head
from my_service.migrate.connection import make_engine, with_connection
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.ext.asyncio import create_async_engine


def tables(address: Address) -> list[str]:
    def look(connection: Connection) -> list[str]:
        return sorted(inspect(connection).get_table_names())

    return with_connection(make_engine(address, "asyncpg"), look)


MIGRATED = ["alembic_version", "notes"]


def test_a_command_runs_without_a_loop(empty_database: Address) -> None:
    run_command(command.upgrade, "head")
    assert tables(empty_database) == MIGRATED


async def test_a_command_runs_inside_a_running_loop(empty_database: Address) -> None:
    run_command(command.upgrade, "head")
    assert tables(empty_database) == MIGRATED


async def test_a_command_leaves_a_running_loop_free_in_a_thread(empty_database: Address) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    await asyncio.to_thread(run_command, command.upgrade, "head")
    ticking.cancel()
    assert ticks > 5
    assert tables(empty_database) == MIGRATED


async def test_an_application_migrates_when_it_starts(empty_database: Address) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(upgrade_to_head() for _ in range(4)))
    ticking.cancel()
    assert ticks > 5
    assert tables(empty_database) == MIGRATED
    await upgrade_to_head()


def test_it_does_so_from_several_threads(empty_database: Address) -> None:
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(asyncio.run, upgrade_to_head()) for _ in range(4)]:
            done.result()
    assert tables(empty_database) == MIGRATED


def test_commands_run_from_many_threads_at_once(empty_database: Address) -> None:
    with ThreadPoolExecutor(8) as threads:
        work = [threads.submit(run_command, command.upgrade, "head") for _ in range(8)]
        work += [threads.submit(run_command, command.check) for _ in range(8)]
        for done in work:
            done.result()
    assert tables(empty_database) == MIGRATED


async def test_a_connection_of_async_code_can_be_handed_in(empty_database: Address) -> None:
    engine = create_async_engine(empty_database.url("asyncpg"))

    def upgrade(connection: Connection) -> None:
        run_command(command.upgrade, "head", connection=connection)

    async with engine.connect() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()
    assert tables(empty_database) == MIGRATED


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_an_engine_can_be_handed_in(empty_database: Address, in_a_loop: bool) -> None:
    engine = create_engine(empty_database.url("asyncpg"))

    async def upgrade() -> None:
        run_command(command.upgrade, "head", connection=engine)

    if in_a_loop:
        asyncio.run(upgrade())
    else:
        run_command(command.upgrade, "head", connection=engine)
    assert tables(empty_database) == MIGRATED


async def test_an_async_engine_in_use_can_be_handed_in_and_is_used_on(
    empty_database: Address,
) -> None:
    engine = create_async_engine(empty_database.url("asyncpg"))
    async with engine.connect() as connection:  # leaves an idle connection in the pool
        await connection.exec_driver_sql("SELECT 1")
    config = Config(Path(__file__).parents[1] / "alembic.ini")
    config.attributes["connection"] = engine
    command.upgrade(config, "head")
    async with engine.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT * FROM notes")
        assert rows.all() == []
    await engine.dispose()


def test_a_handed_in_connection_needs_no_settings(
    empty_database: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(empty_database.url("asyncpg"))
    monkeypatch.setattr(settings, "DB_HOST", "")
    run_command(command.upgrade, "head", connection=engine)
    monkeypatch.undo()
    assert tables(empty_database) == MIGRATED


async def test_an_open_transaction_is_refused(empty_database: Address) -> None:
    engine = create_async_engine(empty_database.url("asyncpg"))

    def upgrade(connection: Connection) -> None:
        run_command(command.upgrade, "head", connection=connection)

    async with engine.begin() as connection:
        with pytest.raises(CommandError, match="in a transaction already"):
            await connection.run_sync(upgrade)
    await engine.dispose()
    assert tables(empty_database) == []


SESSION = """
    SELECT name, setting FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout',
    'client_connection_check_interval') UNION ALL
    SELECT 'locks', count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    ORDER BY 1
"""


def test_a_connection_is_given_back_as_it_was(empty_database: Address) -> None:
    def use(connection: Connection) -> None:
        with connection.begin():
            connection.exec_driver_sql("SET client_connection_check_interval = '7s'")
            connection.exec_driver_sql("SET lock_timeout = '8s'")
        before = session(connection)
        run_command(command.upgrade, "head", connection=connection)
        assert session(connection) == before
        with engine.connect() as holder, holder.begin():
            holder.exec_driver_sql("LOCK notes")
            with pytest.raises(CommandError, match="No lock on"):
                run_command(command.downgrade, "base", connection=connection)
        assert session(connection) == before

    def session(connection: Connection) -> list[tuple[str, str]]:
        with connection.begin():
            return [tuple(row) for row in connection.exec_driver_sql(SESSION)]

    engine = make_engine(empty_database, "psycopg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "DB_MIGRATION_LOCK_WAIT", 0.2)
        patch.setattr(settings, "DB_MIGRATION_LOCK_RETRIES", 0)
        with engine.connect() as connection:
            use(connection)


@pytest.mark.parametrize("by", ["the engine", "an option"])
def test_autocommit_is_refused(empty_database: Address, by: str) -> None:
    engine = (
        create_engine(empty_database.url("asyncpg"), isolation_level="AUTOCOMMIT")
        if by == "the engine"
        else create_engine(empty_database.url("asyncpg")).execution_options(
            isolation_level="AUTOCOMMIT"
        )
    )
    with pytest.raises(CommandError, match="is in AUTOCOMMIT"):
        run_command(command.upgrade, "head", connection=engine)
    assert tables(empty_database) == []


async def test_a_start_up_that_is_cancelled_ends_soon(empty_database: Address) -> None:
    with make_engine(empty_database, "psycopg").connect() as holder:
        holder.exec_driver_sql(
            f"SELECT pg_advisory_lock({crc32(b'alembic') & 0x7FFFFFFF}, "
            f"{crc32(b'public') & 0x7FFFFFFF})"
        )
        starting = asyncio.create_task(upgrade_to_head())
        await asyncio.sleep(1)
        assert gc.isenabled()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await asyncio.to_thread(lambda: run_command(command.heads))  # waits for the thread
        holder.rollback()
    await asyncio.sleep(1)
    assert tables(empty_database) == []


def test_something_else_is_refused(empty_database: Address) -> None:
    config = Config(Path(__file__).parents[1] / "alembic.ini")
    config.attributes["connection"] = "postgresql://"
    with pytest.raises(CommandError, match="takes a Connection, an Engine or an AsyncEngine"):
        command.upgrade(config, "head")


def test_the_program_s_logging_stays_as_it_was(
    empty_database: Address, capfd: pytest.CaptureFixture[str]
) -> None:
    root, mine = logging.getLogger(), logging.getLogger("mine")
    handler = logging.StreamHandler()
    before = (root.level, list(root.handlers), mine.level, mine.disabled)
    mine.addHandler(handler)
    try:
        run_command(command.upgrade, "head")
        assert mine.handlers == [handler]
    finally:
        mine.removeHandler(handler)
    assert (root.level, root.handlers, mine.level, mine.disabled) == before
    assert not logging.getLogger("alembic").disabled
    assert capfd.readouterr() == ("", "")


def test_a_revision_that_changes_nothing_is_not_written(empty_database: Address) -> None:
    run_command(command.upgrade, "head")
    versions = Path(__file__).parents[1] / "migrations" / "versions"
    before = sorted(versions.iterdir())
    run_command(command.revision, "nothing", autogenerate=True)
    assert [path for path in sorted(versions.iterdir()) if path.suffix == ".py"] == [
        path for path in before if path.suffix == ".py"
    ]
