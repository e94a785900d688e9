"""The migration lock: one process migrates a database at a time.

It is an advisory lock of the session, because CREATE INDEX CONCURRENTLY runs outside of transactions.
A process polls for it: a session that waits for a lock inside Postgres holds a snapshot, CREATE INDEX
CONCURRENTLY waits for that snapshot, and the two would deadlock.
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

from alembic_live.internals.sqlalchemy import begin_with
from alembic_live.postgres.schemas import schema_name
from alembic_live.postgres.waits import LOGIN_ROLE, Wait, look_at
from alembic_live.postgres.watchdog import limited
from alembic_live.printable import one_line
from alembic_live.runtime.events import event

log = logging.getLogger("alembic.migrations")

FAMILY = crc32(b"alembic") & 0x7FFFFFFF  # the first half of the key: pg_locks.classid
EVERY = 0.2  # seconds between two tries
JUST_ENDED = "it has just ended"
SAY_EVERY = 5.0  # seconds between two messages about the holder of the lock

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
    """The session that holds the lock. `since` and `is_idle` of another role's session are hidden."""

    pid: int
    name: str
    since: str | None
    is_idle: bool
    silence: float  # seconds since it began or ended its last statement

    def __str__(self) -> str:
        since = f"connected since {one_line(self.since)}" if self.since else "of another role"
        return f"pid {int(self.pid)} ({one_line(self.name or 'without a name', 300)}), {since}"


def _key(schema: str | None) -> dict[str, int]:
    """The key of the lock for a schema. Advisory locks of different databases never conflict."""
    return {"family": FAMILY, "key": crc32(schema_name(schema).encode()) & 0x7FFFFFFF}


def lock_holder(connection: Connection, schema: str | None) -> Holder | None:
    """The session that holds the migration lock now."""
    with limited(connection), connection.begin():
        connection.execute(LOGIN_ROLE)
        row = connection.execute(HOLDER, _key(schema)).first()
    return Holder(*row) if row else None


@contextmanager
def advisory_lock(
    connection: Connection,
    schema: str | None,
    *,
    timeout: float,
    pause: Callable[[float], None],
    first: str,
    last: str,
    setting: str = "DB_MIGRATION_LOCK_TIMEOUT",
) -> Iterator[int]:
    """Hold the migration lock during the block. Yields the process id of the session that holds it.

    Args:
        connection: without a transaction, at the start of the block too.
        schema: the schema of the version table.
        timeout: seconds to wait for another process.
        pause: sleeps for a number of seconds.
        first: SQL expressions that the server evaluates as soon as it grants the lock.
        last: those that it evaluates before it releases the lock.
        setting: the name of the timeout.

    Raises:
        CommandError: another process holds the lock for longer.
    """
    key = _key(schema)
    began = time.monotonic()
    said: float | None = None  # the time of the last message
    while (pid := _ask(connection, key, first)) is None:
        now = time.monotonic()
        if now - began >= timeout:
            raise CommandError(
                f"Waited {timeout:g} s for another process that migrates this database: "
                f"{lock_holder(connection, schema) or JUST_ENDED}. Let it finish and run the command again; if it "
                "hangs, end it with SELECT pg_terminate_backend(pid). "
                f"{setting} is the number of seconds to wait."
            )
        if said is None or now - said >= SAY_EVERY:
            holder = _described(connection, schema)
            extra = event(
                "waiting", what="the migration lock", holders=holder, seconds=round(now - began, 3)
            )
            log.info("Waiting for another process that migrates: %s", holder, extra=extra)
            said = now
        pause(EVERY)
    try:
        yield pid
    finally:
        if not (
            connection.invalidated or connection.closed
        ):  # a lost connection has lost the lock too
            with suppress(DBAPIError):
                _release(connection, key, last)


def _described(connection: Connection, schema: str | None) -> str:
    """The session that holds the lock, and what it waits for."""
    holder = lock_holder(connection, schema)
    if holder is None:
        return JUST_ENDED
    with limited(connection), connection.begin():
        connection.execute(LOGIN_ROLE)
        found = look_at(connection, holder.pid)
    return f"{holder}. It waits for {found}" if isinstance(found, Wait) else str(holder)


def _release(connection: Connection, key: dict[str, int], last: str) -> None:
    connection.rollback()
    with connection.begin():
        release = f"SELECT {last}, pg_advisory_unlock({key['family']}, {key['key']})"
        if not begin_with(connection, release):
            connection.exec_driver_sql(release)


def _ask(connection: Connection, key: dict[str, int], first: str) -> int | None:
    """The process id of the session if the lock was granted, else None."""
    ask = (
        f"SELECT granted, pg_backend_pid(), CASE WHEN granted THEN concat({first}) END "
        f"FROM pg_try_advisory_lock({key['family']}, {key['key']}) AS granted"
    )
    with limited(connection), connection.begin():
        granted, pid, _ = connection.exec_driver_sql(ask).one()
    return int(pid) if granted else None
