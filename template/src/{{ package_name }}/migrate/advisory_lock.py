"""One process migrates at a time, whatever the number of replicas that start at once.

The lock belongs to the session, because CREATE INDEX CONCURRENTLY runs outside of transactions,
and it is asked for again and again: a session that waits inside Postgres keeps a snapshot, for
which CREATE INDEX CONCURRENTLY waits in turn, and both would wait for ever.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from zlib import crc32

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..printable import one_line
from .pooler import PID, require_same_session
from .watchdog import limited

log = logging.getLogger("alembic.migrations")

FAMILY = crc32(b"alembic") & 0x7FFFFFFF  # the first half of the key: pg_locks.classid
EVERY = 0.2  # seconds between two questions
JUST_ENDED = "it has just ended"
SAY_EVERY = 5.0  # seconds between two messages about who is being waited for

TRY = text("SELECT pg_try_advisory_lock(:family, :key), pg_backend_pid()")
RELEASE = text("SELECT pg_advisory_unlock(:family, :key)")
HOLDER = text(
    """
    SELECT a.pid, a.application_name, to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'),
           coalesce(a.state LIKE 'idle%', false),
           coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0)
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = :family AND l.objid = :key
      AND l.objsubid = 2
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
)


@dataclass(frozen=True, slots=True)
class Holder:
    """The session that holds the lock. Another role's is seen without `since` and `is_idle`."""

    pid: int
    name: str
    since: str | None
    is_idle: bool
    silence: float  # seconds since it began or ended its last statement

    def __str__(self) -> str:
        since = f"connected since {one_line(self.since)}" if self.since else "of another role"
        return f"pid {int(self.pid)} ({one_line(self.name or 'without a name', 300)}), {since}"


def _key(schema: str | None) -> dict[str, int]:
    """The key of the lock for the tables of a schema; Postgres keeps databases apart itself."""
    return {"family": FAMILY, "key": crc32((schema or "public").encode()) & 0x7FFFFFFF}


def lock_holder(connection: Connection, schema: str | None) -> Holder | None:
    """Who migrates at this moment."""
    with limited(connection), connection.begin():
        row = connection.execute(HOLDER, _key(schema)).first()
    return Holder(*row) if row else None


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock, as this process holds it."""

    pid: int  # of the session that has it
    waited: bool  # whether another process had to be waited for


@contextmanager
def advisory_lock(
    connection: Connection, schema: str | None, *, timeout: float, pause: Callable[[float], None]
) -> Iterator[Lock]:
    """Hold the lock.

    Args:
        connection: it has no transaction in progress, and has none when the block begins.
        schema: of the version table.
        timeout: seconds to wait for another process.
        pause: waits for some seconds.

    Raises:
        CommandError: another process holds the lock for longer, or a pooler changes sessions.
    """
    key = _key(schema)
    began = said = time.monotonic()
    waited = False
    while (pid := _ask(connection, key)) is None:
        now = time.monotonic()
        if now - began >= timeout:
            raise CommandError(
                f"Waited {timeout:g} s for another process that migrates this database: "
                f"{lock_holder(connection, schema) or JUST_ENDED}. Let it finish and run the command again; if it "
                "hangs, end it with SELECT pg_terminate_backend(pid). "
                "DB_MIGRATION_LOCK_TIMEOUT says how many seconds to wait."
            )
        if not waited or now - said >= SAY_EVERY:
            holder = lock_holder(connection, schema) or JUST_ENDED
            log.info("Waiting for another process that migrates: %s", holder)
            waited, said = True, now
        pause(EVERY)
    try:
        with connection.begin():
            require_same_session(pid, connection.exec_driver_sql(PID).scalar_one())
        yield Lock(pid, waited)
    finally:
        if not (connection.invalidated or connection.closed):  # a lost one has lost the lock too
            with suppress(DBAPIError):
                _release(connection, key)


def _release(connection: Connection, key: dict[str, int]) -> None:
    connection.rollback()
    with connection.begin():
        connection.execute(RELEASE, key)


def _ask(connection: Connection, key: dict[str, int]) -> int | None:
    """The session's process id where the lock was granted."""
    with limited(connection), connection.begin():
        granted, pid = connection.execute(TRY, key).one()
    return int(pid) if granted else None
