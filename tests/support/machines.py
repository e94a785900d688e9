"""A client's machine and a server's, and programs that hold a lock when the network is cut."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any, LiteralString, NamedTuple

import network
from network import Network
from project import PATIENCE, Project, wait_until
from psycopg import sql
from revisions import write_upgrade
from server import Database

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


Running = dict[Case, subprocess.Popen[str]]
Noticed = dict[tuple[Case, str], float]


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
