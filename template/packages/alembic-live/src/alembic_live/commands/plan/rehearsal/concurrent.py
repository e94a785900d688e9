"""Sees the locks of a statement that runs outside of a transaction, such as one with CONCURRENTLY.

On empty tables it ends before another session can look. So a session holds ACCESS SHARE on every
table, and a snapshot. The statement waits for it where it would wait for the queries of a live
database, and pg_locks shows its locks meanwhile. Then a second session takes the first one's place.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from alembic_live.address import Address
from alembic_live.commands.plan.rehearsal.effects import LockMode
from alembic_live.commands.plan.rehearsal.relations import FIRST_OID, mode_of
from alembic_live.postgres.connection import execute_verbatim, make_engine, with_connection

STEP = 0.002  # seconds between two looks
LONGEST = 60  # seconds. Then nobody holds the statement up any more.

TABLES = text(
    f"""
    SELECT string_agg(format('%I.%I', n.nspname, c.relname), ', ') FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid >= {FIRST_OID} AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
        AND NOT c.relispartition AND has_table_privilege(c.oid, 'SELECT')
    """
)
HELD = text(
    f"""
    SELECT l.relation::bigint AS oid, l.mode FROM pg_locks l
    WHERE l.pid = :pid AND l.locktype = 'relation' AND l.relation >= {FIRST_OID}
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    """
)
IS_WAITING = text("SELECT EXISTS (SELECT FROM pg_locks WHERE pid = :pid AND NOT granted)")


class Watch:
    """Another session's view of a statement.

    Attributes:
        modes: the strongest lock that was seen on each relation, by oid. It was held or awaited.
    """

    def __init__(self, database: Address, pid: int) -> None:
        self.modes: dict[int, LockMode] = {}
        self._database = database
        self._pid = pid
        self._is_ready = threading.Event()
        self._has_ended = threading.Event()
        self._error: BaseException | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what the session does during the block, which must be one statement."""
        thread = threading.Thread(target=self._run, name="watch of a statement", daemon=True)
        thread.start()
        self._is_ready.wait(LONGEST)
        try:
            yield
        finally:
            self._has_ended.set()
            thread.join(LONGEST)
        if self._error:
            raise self._error

    def _run(self) -> None:
        def work(looker: Connection) -> None:
            holders = looker.engine.execution_options(isolation_level="REPEATABLE READ")
            with holders.connect() as one, holders.connect() as other:
                self._watch(looker, one, other)

        try:
            # Nobody waits for the snapshots of a session in AUTOCOMMIT.
            engine = make_engine(self._database, isolation_level="AUTOCOMMIT")
            with_connection(engine, work)
        except BaseException as error:
            self._error = error
        finally:
            self._is_ready.set()

    def _watch(self, looker: Connection, one: Connection, other: Connection) -> None:
        tables = looker.scalar(TABLES)
        _hold(one, tables)
        self._is_ready.set()
        end = time.monotonic() + LONGEST
        while not self._has_ended.is_set() and time.monotonic() < end:
            is_waiting = bool(looker.scalar(IS_WAITING, {"pid": self._pid}))
            self._look(looker)
            if is_waiting:
                _hold(other, tables)
                one.rollback()
                one, other = other, one
            self._has_ended.wait(STEP)
        one.rollback()
        self._has_ended.wait()

    def _look(self, looker: Connection) -> None:
        for row in looker.execute(HELD, {"pid": self._pid}):
            mode = mode_of(row.mode)
            self.modes[row.oid] = max(mode, self.modes.get(row.oid, mode))


def _hold(connection: Connection, tables: str | None) -> None:
    """Take a snapshot, and ACCESS SHARE on the tables if none of them is locked."""
    connection.exec_driver_sql("SELECT 1")
    if tables:
        with suppress(DBAPIError), connection.begin_nested():
            execute_verbatim(connection, f"LOCK TABLE {tables} IN ACCESS SHARE MODE NOWAIT")
