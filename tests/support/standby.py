"""Two servers: a primary, and a standby that follows it and can be promoted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from alembic_live.postgres.local.cluster import ADMIN, Cluster, free_port
from alembic_live.postgres.local.ownership import create_file, make_folder
from alembic_live.postgres.local.throwaway import new_folder, remove
from project import wait_until
from server import Database

HOST = "127.0.0.1"
PASSWORD = "secret"


@dataclass
class Pair:
    """The servers, and the databases of their administrator."""

    primary: Cluster
    standby: Cluster
    first: Database
    second: Database

    @property
    def hosts(self) -> dict[str, str]:
        """The settings that name both, with the one first that is the primary now."""
        return {
            **self.first.environment,
            "DB_HOST": f"{HOST},{HOST}",
            "DB_PORT": f"{self.first.port},{self.second.port}",
        }

    def fail_over(self) -> None:
        """Stop the primary without a word to its clients, and promote the standby, which has what
        is committed.
        """
        end = self.first.value("SELECT pg_current_wal_insert_lsn()::text")
        replayed = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        wait_until(lambda: bool(self.second.value(replayed, end)))
        done = self.primary._pg_ctl("-m", "immediate", "stop")
        assert done.returncode == 0, done.stderr
        done = self.standby._pg_ctl("promote")
        assert done.returncode == 0, done.stderr


@contextmanager
def pair() -> Iterator[Pair]:
    """A primary and its standby, on ports of this machine."""
    folders = [new_folder(), new_folder()]
    primary, standby = (Cluster(each, throwaway=True, password=PASSWORD) for each in folders)
    try:
        primary.start(HOST, free_port(HOST))
        port = primary.admin_address.port
        make_folder(standby.folder, standby.account, known=())
        create_file(standby.password_file, PASSWORD)
        standby.data.mkdir(mode=0o700)
        standby.account.give(standby.password_file, standby.data)
        where = f"host={HOST} port={port} user={ADMIN} password={PASSWORD}"
        done = primary._run(
            "pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
            "--pgdata", standby.data, "--dbname", where,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        standby.start(HOST, free_port(HOST))
        first = Database(HOST, port, ADMIN, PASSWORD, "postgres")
        second = Database(HOST, standby.admin_address.port, ADMIN, PASSWORD, "postgres")
        wait_until(lambda: bool(first.query("SELECT 1 FROM pg_stat_replication")))
        yield Pair(primary, standby, first, second)
    finally:
        for folder in folders:
            remove(folder)
