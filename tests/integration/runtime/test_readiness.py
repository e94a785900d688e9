"""`Readiness`: what the readiness probe of an application says, and what it costs."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from alembic_live import Project, Readiness, create_application_engine, run_command
from in_process import InProcess
from server import Database
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

HEAD = "5f0e1c2d3a4b"
MOVE = "UPDATE alembic_version SET version_num = 'newer'"
NO_CONNECTION = (
    "There is no connection to the database within {} seconds: it is down, or the pool is full."
)
END = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def project(in_process: InProcess) -> Project:
    return in_process()


@pytest.fixture
async def engine(project: Project) -> AsyncIterator[AsyncEngine]:
    engine = create_application_engine(project, pool_size=1, max_overflow=0)
    yield engine
    await engine.dispose()


def readiness(project: Project, engine: AsyncEngine, **options: Any) -> Readiness:
    """Without `holds`, each probe asks."""
    return Readiness(project, lambda: engine, **{"holds": 0} | options)


def add_revision(project: Project, name: str = "second", **options: Any) -> None:
    run_command(project, command.revision, name, rev_id=name, **options)


async def test_the_revision_fits_the_code(
    project: Project, engine: AsyncEngine, database: Database
) -> None:
    asked = readiness(project, engine)
    assert await asked.problem() == "The database has no revision. Run `db migrate`."
    run_command(project, command.upgrade, "head")
    assert await asked.problem() is None
    database.query(MOVE)
    assert await asked.problem() is None, "older replicas go on serving"
    database.query("DELETE FROM alembic_version")
    assert await asked.problem() == (
        f"The database is at no revision, and the code needs {HEAD}. Run `db migrate`."
    )


async def test_the_code_accepts_an_older_revision(project: Project, engine: AsyncEngine) -> None:
    run_command(project, command.upgrade, "head")
    add_revision(project)
    behind = f"The database is at {HEAD}, and the code needs second. Run `db migrate`."
    assert await readiness(project, engine).problem() == behind
    assert await readiness(project, engine, accepts=[HEAD]).problem() is None
    assert await readiness(project, engine, accepts=["another"]).problem() == behind


async def test_all_heads_are_needed(project: Project, engine: AsyncEngine) -> None:
    run_command(project, command.upgrade, "head")
    add_revision(project, "apart", head="base", branch_label="other")
    problem = f"The database is at {HEAD}, and the code needs {HEAD}, apart. Run `db migrate`."
    assert await readiness(project, engine, accepts=[HEAD]).problem() == problem
    run_command(project, command.upgrade, "heads")
    assert await readiness(project, engine).problem() is None


async def test_a_project_without_revisions_is_ready(project: Project, engine: AsyncEngine) -> None:
    for path in project.versions.glob("*.py"):
        path.unlink()
    assert await readiness(project, engine).problem() is None


async def test_the_version_table_is_where_alembic_ini_says(
    project: Project, engine: AsyncEngine, database: Database
) -> None:
    ini = project.config_file
    own = "[alembic_live]\nversion_table = it's\nversion_table_schema = own\n"
    ini.write_text(ini.read_text().replace("[alembic_live]\n", own))
    database.query(f"""CREATE SCHEMA own; CREATE TABLE own."it's" AS SELECT '{HEAD}' version_num""")
    assert await readiness(project, engine).problem() is None


@pytest.mark.parametrize("probes", [1, 50])
async def test_probes_cost_a_round_trip_a_second(
    project: Project, engine: AsyncEngine, database: Database, probes: int
) -> None:
    run_command(project, command.upgrade, "head")
    statements: list[str] = []
    event.listen(
        engine.sync_engine, "before_cursor_execute", lambda *found: statements.append(found[2])
    )
    asked = readiness(project, engine, holds=0.2)
    for _ in range(3):
        await asyncio.gather(*(asked.problem() for _ in range(probes)))
    assert len(statements) == 1
    await asyncio.sleep(0.25)
    await asked.problem()
    assert len(statements) == 2


async def test_a_client_that_goes_away_ends_no_other_probe(
    project: Project, engine: AsyncEngine
) -> None:
    run_command(project, command.upgrade, "head")
    asked = readiness(project, engine)
    first, second = (asyncio.create_task(asked.problem()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is None


def test_each_event_loop_can_ask(project: Project) -> None:
    run_command(project, command.upgrade, "head")
    engine = create_application_engine(project)
    asked = readiness(project, engine, holds=60)
    stopped = asyncio.new_event_loop()
    stopped.call_later(0.001, stopped.stop)
    unfinished = stopped.create_task(asked.problem())
    stopped.run_forever()
    assert not unfinished.done()
    assert [asyncio.run(asked.problem()) for _ in range(2)] == [None, None]
    assert stopped.run_until_complete(unfinished) is None
    stopped.run_until_complete(stopped.shutdown_asyncgens())
    stopped.close()


async def test_a_connection_that_the_server_has_closed_is_replaced(
    project: Project, engine: AsyncEngine, database: Database
) -> None:
    run_command(project, command.upgrade, "head")
    asked = readiness(project, engine)
    assert await asked.problem() is None
    database.query(END)
    assert await asked.problem() is None


async def test_a_full_pool_is_reported_in_time(project: Project, engine: AsyncEngine) -> None:
    run_command(project, command.upgrade, "head")
    asked = readiness(project, engine, timeout=0.2)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        assert await asked.problem() == NO_CONNECTION.format(0.2)
    assert await asked.problem() is None


async def test_a_locked_version_table_is_reported_in_time(
    project: Project, engine: AsyncEngine, database: Database
) -> None:
    run_command(project, command.upgrade, "head")
    asked = readiness(project, engine, timeout=0.2)
    with database.connect() as other, other.transaction():
        other.execute("LOCK alembic_version")
        assert await asked.problem() == "The database does not answer within 0.2 seconds."
    assert await asked.problem() is None


async def test_a_server_that_is_down_is_reported_without_its_address(
    in_process: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        project = in_process(DB_PORT=str(taken.getsockname()[1]))
        engine = create_application_engine(project)
        with caplog.at_level(logging.INFO, "alembic_live.runtime.readiness"):
            asked = readiness(project, engine)
            for _ in range(2):
                assert await asked.problem() == "The database cannot be asked."
    logged = [each.message for each in caplog.records if each.name.endswith("readiness")]
    assert logged == ["The database cannot be asked. Reason: Connection refused."]


async def test_probes_of_a_silent_server_do_not_pile_up(in_process: InProcess) -> None:
    accepted = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    project = in_process(DB_PORT=str(server.sockets[0].getsockname()[1]), DB_SSLMODE="disable")
    engine = create_application_engine(project)
    asked = readiness(project, engine, timeout=0.3, holds=1)
    await asked.problem()  # reads the revision files
    asked = readiness(project, engine, timeout=0.3, holds=1)
    before, started = accepted, time.monotonic()
    found = {*await asyncio.gather(*(asked.problem() for _ in range(20)))}
    assert found == {NO_CONNECTION.format(0.3)}
    assert time.monotonic() - started < 2
    assert accepted - before <= 1
    server.close()


async def test_unreadable_revisions_are_reported(project: Project, engine: AsyncEngine) -> None:
    [path] = project.versions.glob("*.py")
    path.write_text("revision = 1 / 0\n")
    assert await readiness(project, engine).problem() == "The revision files cannot be read."
