"""Each side of a connection notices that the other side's machine is gone: the server releases its
locks, and the client stops waiting.
"""

import socket
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import network
import pytest
from edit import edit
from local_server import server_of_its_own
from machines import Case, Noticed, Running, begun, machines
from project import PATIENCE, Project
from psycopg import sql
from revisions import write_upgrade
from sample import NewProject
from server import Database

PROMISED = 60  # seconds until either side has noticed

DRIVERS = ("asyncpg", "psycopg", "psycopg2")
OF_APPLICATIONS = DRIVERS[:2]

# What the client, and what the server says about a connection.
SHOW = """
import os, socket

def show(connection, run):
    if hasattr(connection, "fileno"):
        number = connection.fileno()
    else:
        number = connection._transport.get_extra_info("socket").fileno()
    with socket.socket(fileno=os.dup(number)) as sock:
        if sock.family == socket.AF_UNIX:
            print("unix")
        else:
            names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
            options = [sock.getsockopt(6, getattr(socket, name)) for name in names]
            print("client", sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), *options)
    names = "keepalives_idle", "keepalives_interval", "keepalives_count", "user_timeout"
    values = [run(f"SHOW tcp_{name}") for name in names]
    print("server", *values, run("SHOW client_connection_check_interval"))
"""

SHOW_APPLICATION = (
    SHOW
    + """
import asyncio
from alembic_live import create_application_engine
from my_service.database import project

async def main():
    engine = create_application_engine(project)
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        await connection.run_sync(lambda sync: show(
            raw.driver_connection, lambda query: sync.exec_driver_sql(query).scalar()
        ))
    await engine.dispose()

asyncio.run(main())
"""
)

SHOW_MIGRATION = """\
    from shown import show
    connection = op.get_bind()
    driver = connection.connection.driver_connection
    show(driver, lambda query: connection.exec_driver_sql(query).scalar())
"""


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A project that the test may change."""
    return new_project()


def shorten(project: Project) -> float:
    """Let either side notice after four seconds. Returns how long it may take on a busy machine."""
    for name, value, short in (("IDLE", 15, 2), ("INTERVAL", 10, 1), ("COUNT", 3, 2)):
        edit(project.library / "keepalive.py", f"\n{name} = {value}", f"\n{name} = {short}")
    return 12


CLIENT = "client 1 15 10 3 45000"


def of_server(check: str) -> str:
    """What the server says of a session."""
    return f"server 15 10 3 45000 {check}"


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems lack the options")


@on_linux
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_migration_s_connection_has_limits_on_both_sides(
    project: Project, database: Database, driver: str
) -> None:
    (project.path / "src" / "shown.py").write_text(SHOW)
    write_upgrade(project, SHOW_MIGRATION)
    done = project.given(DB_DRIVER_SYNC=driver.removeprefix("asyncpg")).alembic("upgrade", "head")
    assert done.stdout.splitlines() == [CLIENT, of_server("1s")]


@on_linux
@pytest.mark.parametrize("driver", OF_APPLICATIONS)
def test_the_application_s_connections_have_limits_on_both_sides(
    project: Project, database: Database, driver: str
) -> None:
    done = project.given(DB_DRIVER_ASYNC=driver).run("python", "-c", SHOW_APPLICATION)
    assert done.stdout.splitlines() == [CLIENT, of_server("5s")]


@on_linux
@pytest.mark.full
def test_a_unix_socket_needs_none(project: Project, tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="socket-"))
    folder.chmod(0o777)
    try:
        project.environment.clear()
        with server_of_its_own(project, tmp_path) as (own, database):
            with database.connect() as connection:
                connection.execute(
                    sql.SQL("ALTER SYSTEM SET unix_socket_directories = {}").format(str(folder))
                )
            own.db("stop")
            own.db("start")
            for driver in OF_APPLICATIONS:
                there = own.given(DB_HOST=str(folder), DB_DRIVER_ASYNC=driver)
                done = there.run("python", "-c", SHOW_APPLICATION)
                assert done.stdout.splitlines() == ["unix", "server 0 0 0 0 5s"]
    finally:
        rmtree(folder)


def test_a_server_that_does_not_answer_is_said_to_be_one(
    project: Project, database: Database
) -> None:
    edit(project.library / "address.py", "CONNECT_TIMEOUT = 10", "CONNECT_TIMEOUT = 1")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        silent = replace(database, host="127.0.0.1", port=listening.getsockname()[1])
        done = project.given(**silent.environment).alembic("upgrade", "head", ok=False)
    assert "no answer in time. Is the server running?" in " ".join(done.stderr.split())


LONG = """\
    import os, time
    seconds = float(os.environ["SECONDS"])
    op.execute(f"SELECT pg_sleep({seconds})")
    time.sleep(seconds)
    op.execute("SELECT 1")
"""


@pytest.mark.parametrize("is_short", [True, pytest.param(False, marks=pytest.mark.full)])
def test_a_busy_machine_is_not_lost(
    project: Project, server: Database, database: Database, is_short: bool
) -> None:
    seconds = 100.0
    if is_short:
        shorten(project)
        seconds = 7
    write_upgrade(project, LONG)
    with (
        server.another(f"{database.name[:40]}_1") as second,
        server.another(f"{database.name[:40]}_2") as third,
    ):
        running = [
            project.given(
                SECONDS=str(seconds),
                DB_DRIVER_SYNC=driver.removeprefix("asyncpg"),
                **each.environment,
            ).begin("alembic", "upgrade", "head")
            for driver, each in zip(DRIVERS, (database, second, third), strict=True)
        ]
        for process in running:
            said, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, said


SHORT = (
    Case("migration", "asyncpg", "works"),
    Case("migration", "asyncpg", "speaks"),
    Case("migration", "psycopg", "replies"),
    Case("migration", "psycopg2", "waits"),
    Case("application", "asyncpg", "replies"),
    Case("application", "psycopg", "speaks"),
)
ALL = [
    Case(program, driver, kind)
    for program, drivers in (("migration", DRIVERS), ("application", OF_APPLICATIONS))
    for driver in drivers
    for kind in ("works", "waits", "replies", "speaks")
]

in_a_network = pytest.mark.skipif(network.obstacle() != "", reason=network.obstacle())


@in_a_network
@pytest.mark.parametrize("cases", [SHORT, pytest.param(ALL, marks=pytest.mark.full)], ids=len)
def test_either_side_notices_that_the_other_one_s_machine_is_gone(
    project: Project, cases: Sequence[Case]
) -> None:
    seconds = shorten(project) if cases is SHORT else PROMISED
    with machines(project) as machine, begun(machine, cases) as running:
        machine.net.cut()
        machine.cut.touch()
        noticed = machine.wait_for(running, seconds)
        assert_lost(running, noticed, seconds, "server", "client")


@pytest.mark.full
@in_a_network
@pytest.mark.parametrize("is_short", [True, False])
def test_a_client_notices_that_the_server_s_machine_was_restarted(
    project: Project, is_short: bool
) -> None:
    seconds = shorten(project) if is_short else PROMISED
    cases = [case for case in ALL if case.kind == "works"]
    with machines(project) as machine, begun(machine, cases) as running:
        machine.net.cut()
        machine.kill()
        machine.start()
        machine.net.heal()
        noticed = machine.wait_for(running, seconds)
        assert_lost(running, noticed, seconds, "client")


def assert_lost(running: Running, noticed: Noticed, seconds: float, *sides: str) -> None:
    """These sides have noticed in time, and each client says what happened."""
    late = {
        (*case, side): noticed.get((case, side))
        for case in running
        for side in sides
        if noticed.get((case, side), seconds) >= seconds
    }
    assert not late, noticed
    for case, process in running.items():
        said, _ = process.communicate()
        assert process.returncode not in (None, 0), case
        assert "The connection was lost" in said, (case, said)
        if case.program == "migration":
            assert "Traceback" not in said, (case, said)
