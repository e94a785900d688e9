"""Alembic from a program: with its connection, in its event loop, from its threads, and without
touching its logging.
"""

import asyncio
import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from zlib import crc32

import pytest
from alembic import command
from alembic.util import CommandError
from alembic_live import Project
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.runtime.program import run_command, upgrade_to_head
from in_process import InProcess
from server import Database
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.ext.asyncio import create_async_engine


def tables(database: Database) -> list[str]:
    def look(connection: Connection) -> list[str]:
        return sorted(inspect(connection).get_table_names())

    return with_connection(make_engine(database.address()), look)


MIGRATED = ["alembic_version", "notes"]


@pytest.fixture
def project(in_process: InProcess) -> Project:
    """A project that this process uses, with an empty database."""
    return in_process()


def test_a_command_runs_without_a_loop(project: Project, database: Database) -> None:
    run_command(project, command.upgrade, "head")
    assert tables(database) == MIGRATED


async def test_an_application_upgrades_to_what_alembic_ini_names(
    project: Project, database: Database
) -> None:
    run_command(
        project, command.revision, "other", head="base", rev_id="apart", branch_label="other"
    )
    with pytest.raises(CommandError, match="They are branches that stay apart"):
        await upgrade_to_head(project)
    ini = project.config_file
    ini.write_text(ini.read_text().replace("[alembic_live]", "[alembic_live]\ntarget = heads"))
    await upgrade_to_head(project)
    assert len(database.query("SELECT version_num FROM alembic_version")) == 2


async def test_a_command_runs_inside_a_running_loop(project: Project, database: Database) -> None:
    run_command(project, command.upgrade, "head")
    assert tables(database) == MIGRATED


async def test_a_command_leaves_a_running_loop_free_in_a_thread(
    project: Project, database: Database
) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    await asyncio.to_thread(run_command, project, command.upgrade, "head")
    ticking.cancel()
    assert ticks > 5
    assert tables(database) == MIGRATED


async def test_an_application_migrates_when_it_starts(project: Project, database: Database) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(upgrade_to_head(project) for _ in range(4)))
    ticking.cancel()
    assert ticks > 5
    assert tables(database) == MIGRATED
    await upgrade_to_head(project)


def test_it_does_so_from_several_threads(project: Project, database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(asyncio.run, upgrade_to_head(project)) for _ in range(4)]:
            done.result()
    assert tables(database) == MIGRATED


def test_commands_run_from_many_threads_at_once(project: Project, database: Database) -> None:
    with ThreadPoolExecutor(8) as threads:
        work = [threads.submit(run_command, project, command.upgrade, "head") for _ in range(8)]
        work += [threads.submit(run_command, project, command.check) for _ in range(8)]
        for done in work:
            done.result()
    assert tables(database) == MIGRATED


async def test_a_connection_of_async_code_can_be_handed_in(
    project: Project, database: Database
) -> None:
    engine = create_async_engine(database.address().url)

    def upgrade(connection: Connection) -> None:
        run_command(project, command.upgrade, "head", connection=connection)

    async with engine.connect() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()
    assert tables(database) == MIGRATED


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_an_engine_can_be_handed_in(project: Project, database: Database, in_a_loop: bool) -> None:
    engine = create_engine(database.address().url)

    async def upgrade() -> None:
        run_command(project, command.upgrade, "head", connection=engine)

    if in_a_loop:
        asyncio.run(upgrade())
    else:
        run_command(project, command.upgrade, "head", connection=engine)
    assert tables(database) == MIGRATED


async def test_an_async_engine_in_use_can_be_handed_in_and_is_used_on(
    project: Project,
    database: Database,
) -> None:
    engine = create_async_engine(database.address().url)
    async with engine.connect() as connection:  # leaves an idle connection in the pool
        await connection.exec_driver_sql("SELECT 1")
    config = project.config
    config.attributes["connection"] = engine
    command.upgrade(config, "head")
    async with engine.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT * FROM notes")
        assert rows.all() == []
    await engine.dispose()


def test_a_handed_in_connection_needs_no_settings(
    in_process: InProcess, database: Database
) -> None:
    engine = create_engine(database.address().url)
    project = in_process(DB_HOST="")
    run_command(project, command.upgrade, "head", connection=engine)
    assert tables(database) == MIGRATED


async def test_an_open_transaction_is_refused(project: Project, database: Database) -> None:
    engine = create_async_engine(database.address().url)

    def upgrade(connection: Connection) -> None:
        run_command(project, command.upgrade, "head", connection=connection)

    async with engine.begin() as connection:
        with pytest.raises(CommandError, match="in a transaction already"):
            await connection.run_sync(upgrade)
    await engine.dispose()
    assert tables(database) == []


async def test_commands_that_only_read_work_in_a_transaction(
    project: Project, database: Database
) -> None:
    run_command(project, command.upgrade, "head")
    engine = create_async_engine(database.address().url)

    def look(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE of_the_program ()")
        run_command(project, command.current, connection=connection)
        with pytest.raises(CommandError, match="of_the_program"):
            run_command(project, command.check, connection=connection)
        connection.exec_driver_sql("DROP TABLE of_the_program")
        run_command(project, command.check, connection=connection)
        connection.exec_driver_sql("CREATE TABLE kept ()")

    async with engine.begin() as connection:
        await connection.run_sync(look)
    await engine.dispose()
    assert tables(database) == sorted([*MIGRATED, "kept"])


async def test_a_look_at_a_database_without_a_version_table_leaves_it_so(
    in_process: InProcess, database: Database
) -> None:
    project = in_process()
    engine = create_async_engine(database.address().url)

    def look(connection: Connection) -> None:
        run_command(project, command.current, connection=connection)
        run_command(project, command.history, indicate_current=True, connection=connection)
        run_command(project, command.show, "current", connection=connection)
        with pytest.raises(CommandError, match="not at the newest revision"):
            run_command(project, command.check, connection=connection)

    async with engine.begin() as connection:
        await connection.run_sync(look)
    await engine.dispose()
    assert tables(database) == []


SESSION = """
    SELECT name, setting FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout',
    'client_connection_check_interval') UNION ALL
    SELECT 'locks', count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    ORDER BY 1
"""


def test_a_connection_is_given_back_as_it_was(in_process: InProcess, database: Database) -> None:
    project = in_process(DB_MIGRATION_LOCK_WAIT="0.2", DB_MIGRATION_LOCK_RETRIES="0")

    def use(connection: Connection) -> None:
        with connection.begin():
            connection.exec_driver_sql("SET client_connection_check_interval = '7s'")
            connection.exec_driver_sql("SET lock_timeout = '8s'")
        before = session(connection)
        run_command(project, command.upgrade, "head", connection=connection)
        assert session(connection) == before
        with engine.connect() as holder, holder.begin():
            holder.exec_driver_sql("LOCK notes")
            with pytest.raises(CommandError, match="Could not acquire a lock on"):
                run_command(project, command.downgrade, "base", connection=connection)
        assert session(connection) == before

    def session(connection: Connection) -> list[tuple[str, str]]:
        with connection.begin():
            return [tuple(row) for row in connection.exec_driver_sql(SESSION)]

    engine = make_engine(database.address("psycopg"))
    with engine.connect() as connection:
        use(connection)


@pytest.mark.parametrize("by", ["the engine", "an option"])
def test_autocommit_is_refused(project: Project, database: Database, by: str) -> None:
    engine = (
        create_engine(database.address().url, isolation_level="AUTOCOMMIT")
        if by == "the engine"
        else create_engine(database.address().url).execution_options(isolation_level="AUTOCOMMIT")
    )
    with pytest.raises(CommandError, match="is in AUTOCOMMIT"):
        run_command(project, command.upgrade, "head", connection=engine)
    assert tables(database) == []


async def test_a_start_up_that_is_cancelled_ends_soon(project: Project, database: Database) -> None:
    with make_engine(database.address("psycopg")).connect() as holder:
        holder.exec_driver_sql(
            f"SELECT pg_advisory_lock({crc32(b'alembic') & 0x7FFFFFFF}, "
            f"{crc32(b'public') & 0x7FFFFFFF})"
        )
        starting = asyncio.create_task(upgrade_to_head(project))
        await asyncio.sleep(1)
        assert gc.isenabled()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await asyncio.to_thread(lambda: run_command(project, command.heads))  # waits for the thread
        holder.rollback()
    await asyncio.sleep(1)
    assert tables(database) == []


def test_something_else_is_refused(project: Project, database: Database) -> None:
    config = project.config
    config.attributes["connection"] = "postgresql://"
    with pytest.raises(CommandError, match="takes a Connection, an Engine or an AsyncEngine"):
        command.upgrade(config, "head")


def test_the_program_s_logging_stays_as_it_was(
    project: Project, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    root, mine = logging.getLogger(), logging.getLogger("mine")
    handler = logging.StreamHandler()
    before = (root.level, list(root.handlers), mine.level, mine.disabled)
    mine.addHandler(handler)
    try:
        run_command(project, command.upgrade, "head")
        assert mine.handlers == [handler]
    finally:
        mine.removeHandler(handler)
    assert (root.level, root.handlers, mine.level, mine.disabled) == before
    assert not logging.getLogger("alembic").disabled
    assert capfd.readouterr() == ("", "")


def test_a_revision_that_changes_nothing_is_not_written(
    project: Project, database: Database
) -> None:
    run_command(project, command.upgrade, "head")
    before = sorted(project.versions.glob("*.py"))
    run_command(project, command.revision, "nothing", autogenerate=True)
    assert sorted(project.versions.glob("*.py")) == before
