"""A machine that disappears without a word is noticed by the other side of each connection: the
server frees its locks, and a client does not wait for ever.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any, LiteralString, NamedTuple

import network
import pytest
from edit import edit
from local_server import server_of_its_own
from network import Network
from project import PATIENCE, Project, wait_until
from psycopg import sql
from revisions import write_upgrade
from sample import NewProject
from server import Database

pytestmark = pytest.mark.typed

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
        seconds = 12
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


# Each holds a lock and waits: the server works on a statement; it waits for a lock itself; it
# replies when the network is cut; or the client speaks when the network is cut.
MIGRATION = """\
    import os, time
    op.execute("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")
    kind = os.environ["KIND"]
    if kind == "works":
        op.execute("SELECT pg_sleep(3600)")
    if kind == "waits":
        op.execute("LOCK TABLE held")
    if kind == "replies":
        op.execute(os.environ["REPLY"])
    while kind == "speaks":
        if os.path.exists(os.environ["CUT"]):
            op.execute("SELECT 1")
        time.sleep(0.1)
"""

APPLICATION = """
import asyncio, os
from alembic_live import create_application_engine
from my_service.database import project
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

async def main():
    engine = create_application_engine(project)
    async with engine.connect() as connection:
        await connection.execute(text("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE"))
        kind = os.environ["KIND"]
        if kind == "works":
            await connection.execute(text("SELECT pg_sleep(3600)"))
        if kind == "waits":
            await connection.execute(text("LOCK TABLE held"))
        if kind == "replies":
            await connection.execute(text(os.environ["REPLY"]))
        while kind == "speaks":
            if os.path.exists(os.environ["CUT"]):
                await connection.execute(text("SELECT 1"))
            await asyncio.sleep(0.1)

try:
    asyncio.run(main())
except DBAPIError as error:
    raise SystemExit(f"The connection was lost: {error}")
"""


REPLY = """
DO $$ BEGIN
    LOOP EXIT WHEN (pg_stat_file('{cut}', true)).size IS NOT NULL; PERFORM pg_sleep(0.1); END LOOP;
END $$
"""


LOCKS = """
SELECT DISTINCT a.datname FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND a.application_name LIKE 'my_service%'
    AND l.relation >= 16384
"""


class Case(NamedTuple):
    """What holds a lock as the network is cut."""

    program: str
    driver: str
    kind: str

    @property
    def database(self) -> str:
        return "lost_" + "_".join(self)


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


Running = dict[Case, subprocess.Popen[str]]
Noticed = dict[tuple[Case, str], float]

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


@in_a_network
@pytest.mark.parametrize("is_short", [True, pytest.param(False, marks=pytest.mark.full)])
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


class Machine:
    """The server's machine, with a cluster that the project's own class makes."""

    def __init__(self, project: Project, net: Network, folder: Path) -> None:
        self.project, self.net = project, net
        self.folder, self.cut = folder / "cluster", folder / "cut"
        self.database = Database("127.0.0.1", 5432, "local_admin", "", "postgres")

    def start(self) -> None:
        """Start the server."""
        password = self.run("cluster.start('0.0.0.0', 5432); print(cluster.admin_address.password)")
        self.database = replace(self.database, password=password.strip())
        with (self.folder / "data" / "pg_hba.conf").open("a") as access:
            access.write("host all all 10.77.0.0/16 scram-sha-256\n")
        self.query("SELECT pg_reload_conf()")

    def kill(self) -> None:
        """Cut its power: it forgets its connections and does not close them."""
        [pid, *_] = (self.folder / "data" / "postmaster.pid").read_text().split()
        self.net.forget_quickly()
        os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: self.net.connections() == 0)

    def query(self, statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, asked on the machine itself."""
        with self.net.server():
            return self.database.query(statement, *values)

    def run(self, statements: str) -> str:
        """Run statements about the cluster, on the machine itself."""
        program = (
            "from pathlib import Path; from alembic_live.postgres.local.cluster import Cluster;"
            f"cluster = Cluster(Path({str(self.folder)!r}), throwaway=True); {statements}"
        )
        with self.net.server():
            process = self.project.begin("python", "-c", program)
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        return said

    def begin(self, case: Case) -> subprocess.Popen[str]:
        """Start a case on the client's machine."""
        driver = "DB_DRIVER_SYNC" if case.program == "migration" else "DB_DRIVER_ASYNC"
        there = replace(self.database, host=network.SERVER, name=case.database)
        settings = {
            driver: case.driver if driver == "DB_DRIVER_ASYNC" or case.driver != "asyncpg" else "",
            "DB_MIGRATION_LOCK_WAIT": "0",
            "KIND": case.kind,
            "CUT": str(self.cut),
            "REPLY": REPLY.format(cut=self.cut),
        }
        project = self.project.given(**there.environment, **settings)
        with self.net.client():
            if case.program == "migration":
                return project.begin("alembic", "upgrade", "head")
            return project.begin("python", "-c", APPLICATION)

    def wait_for(self, running: Running, seconds: float) -> Noticed:
        """Wait until both sides of all connections have noticed, or the time is over. Returns the
        seconds that each took.
        """
        noticed: Noticed = {}
        began = time.monotonic()
        while time.monotonic() - began < seconds and len(noticed) < 2 * len(running):
            held = {name for (name,) in self.query(LOCKS)}
            for case, process in running.items():
                if case.database not in held:
                    noticed.setdefault((case, "server"), time.monotonic() - began)
                if process.poll() is not None:
                    noticed.setdefault((case, "client"), time.monotonic() - began)
            time.sleep(0.2)
        return noticed


@contextmanager
def machines(project: Project) -> Iterator[Machine]:
    """A client's and a server's machine."""
    folder = Path(tempfile.mkdtemp(prefix="lost-machine-"))
    folder.chmod(0o755)  # the server's account is another one
    try:
        with network.network() as net:
            machine = Machine(project, net, folder)
            machine.start()
            try:
                yield machine
            finally:
                machine.run("cluster.remove()")
    finally:
        rmtree(folder)


@contextmanager
def begun(machine: Machine, cases: Sequence[Case]) -> Iterator[Running]:
    """Start all cases on the client's machine, each in a database, and wait for their locks."""
    write_upgrade(machine.project, MIGRATION)
    migrated = replace(machine.database, name="migrated")
    running: Running = {}
    with ExitStack() as stack:
        with machine.net.server():
            machine.database.query("CREATE DATABASE migrated")
            migrating = machine.project.given(**migrated.environment).begin(
                "alembic", "upgrade", "5f0e1c2d3a4b"
            )
            said, _ = migrating.communicate(timeout=PATIENCE)
            assert migrating.returncode == 0, said
            migrated.query("CREATE TABLE held ()")
            for case in cases:
                copy = sql.SQL("CREATE DATABASE {} TEMPLATE migrated")
                with machine.database.connect() as connection:
                    connection.execute(copy.format(sql.Identifier(case.database)))
                if case.kind == "waits":
                    one = replace(machine.database, name=case.database)
                    holder = stack.enter_context(one.connect())
                    holder.execute("BEGIN")
                    holder.execute("LOCK TABLE held")
        try:
            for case in cases:
                running[case] = machine.begin(case)
            wait_until(lambda: len(machine.query(LOCKS)) == len(cases))
            time.sleep(1)  # the statement after the one that took the lock
            yield running
        finally:
            for process in running.values():
                process.kill()
                process.wait()
                assert process.stdout
                process.stdout.close()
