"""The sessions that block a statement, and the limit on the waits of a transaction.

A second connection looks while the statement waits: the error of Postgres names neither the locked
object nor the blocking session. Postgres has no limit on the total wait of a transaction either.
This module has that limit, and cancels a statement that exceeds it. `timeouts` limits the wait of
each statement.
"""

import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from alembic_live.internals.sqlalchemy import with_own_pool
from alembic_live.postgres.connection import is_autocommit, listening, with_connection
from alembic_live.postgres.watchdog import limited
from alembic_live.printable import one_line
from alembic_live.sql.statement_kinds import is_concurrent

log = logging.getLogger("alembic.migrations")

LOOK_AFTER = 0.5  # seconds at most until the first look at a statement
SHORT = 0.1  # seconds: there is no look at a statement that takes less
LOOK_EVERY = 0.05  # seconds between two checks of the clock
SAY_EVERY = 5.0  # seconds between two messages about a statement that still waits
CONNECT_AGAIN = 1.0  # seconds until a second connection is tried again
LONGEST_NAME = 300  # characters
MOST_SESSIONS = 10  # that a message names

# waitstart: Postgres 14 and later.
BLOCKERS = text(
    """
    SELECT coalesce('"' || replace(w.relation::regclass::text, '"', '') || '"', w.locktype) AS name,
           w.locktype = 'relation' AND w.mode = 'AccessExclusiveLock' AS blocks_reads, w.waitstart,
           coalesce(extract(epoch FROM clock_timestamp() - w.waitstart), 0)::float AS seconds,
           p.pid, a.application_name, a.state,
           extract(epoch FROM clock_timestamp() - a.xact_start)::float AS age
    FROM (SELECT relation, locktype, mode, waitstart FROM pg_locks
          WHERE pid = :pid AND NOT granted LIMIT 1) w
    CROSS JOIN unnest(pg_blocking_pids(:pid)) p (pid) LEFT JOIN pg_stat_activity a USING (pid)
    ORDER BY a.xact_start
    """
)

# Only during that wait: the statement after it must not be cancelled.
CANCEL = text(
    "SELECT pg_cancel_backend(pid) FROM pg_locks"
    " WHERE pid = :pid AND NOT granted AND waitstart = :since"
)

NAME_ITSELF = text(
    "SELECT set_config('application_name', current_setting('application_name') || ' (lock waits)', false)"
)

WORDS = {"transactionid": "a row", "tuple": "a row", "virtualxid": "older transactions"}

SETS_LIMIT = re.compile(r"\s*SET\s+(?:LOCAL\s+|SESSION\s+)?lock_timeout\b", re.IGNORECASE)


@dataclass(slots=True)
class Watched:
    """A statement in progress, and what the second connection has found out about it."""

    began: float
    is_concurrent: bool
    looked: float | None = None  # when the last look began; it may have to connect first
    is_seen: bool = False  # whether a look ended while the statement was in progress
    waits: dict[Any, float] = field(default_factory=dict)  # seconds, by the start of the wait
    blockers: Sequence[Any] = ()
    is_cancelled: bool = False

    def waited(self) -> float:
        return sum(list(self.waits.values()))


class Blockers:
    """Watches the statements of a connection, and cancels one if its revision waits too long.

    The statements of a transaction may together wait for as long as one statement may, plus the time
    that the transaction has worked. A retry repeats that work, and other sessions wait for it. Only
    time that is spent waiting for a lock counts.
    """

    def __init__(self, connection: Connection, pid: int, *, lock_wait: float) -> None:
        """
        Args:
            connection: the connection to watch.
            pid: the process id of its session.
            lock_wait: seconds that a statement may wait for a lock; 0 is no limit.
        """
        self._connection, self._pid, self._lock_wait = connection, pid, lock_wait
        self._patience = min(LOOK_AFTER, lock_wait / 5 or LOOK_AFTER)
        self._engine = with_own_pool(connection.engine)
        self._done = threading.Event()
        self._said = 0.0  # the time of the last message
        self._statement: Watched | None = None  # in progress
        # The transaction in progress:
        self._began = time.monotonic()
        self._waited = 0.0  # seconds that ended statements waited
        self._unseen = 0.0  # seconds that statements without a look took
        self._has_own_limit = False  # whether the revision has set lock_timeout

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch during the block, in a thread."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            with listening(
                self._connection,
                begin=self._begin_transaction,
                before_cursor_execute=lambda _connection, _cursor, sql, *_rest: self.watch(sql),
                after_cursor_execute=self._end,
                commit=self._begin_commit,
            ):
                yield
        finally:
            self._done.set()
            thread.join(timeout=1)  # a look that hangs must not delay the migration
            self._engine.dispose()

    def watch(self, sql: str) -> None:
        """Note that a statement begins."""
        self._end()  # the last one failed, or it would have ended
        is_outside = is_autocommit(self._connection)
        if is_outside:  # the statement is a transaction
            self._forget()
        self._has_own_limit |= bool(SETS_LIMIT.match(sql))
        self._statement = Watched(time.monotonic(), is_outside and is_concurrent(sql))

    def has_cancelled(self) -> bool:
        """Whether this object cancelled the statement in progress."""
        return self._statement is not None and self._statement.is_cancelled

    def describe(self, statement: str) -> str:
        """A sentence about the statement that could not acquire its lock."""
        watched, self._statement = self._statement, None
        deadline = time.monotonic() + self._patience  # for a look in progress
        while watched and not watched.blockers and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        what = f"for: {statement}" if statement else "at the commit"
        if watched is None or not watched.blockers:
            return f"Could not acquire a lock {what}. The blocking session is unknown."
        return f"Could not acquire a lock on {_name(watched)} {what}. It is held by {_sessions(watched)}."

    def _begin_transaction(self, _connection: Connection) -> None:
        self._has_own_limit, self._statement = False, None
        self._forget()

    def _forget(self) -> None:
        self._began = time.monotonic()
        self._waited = self._unseen = 0.0

    def _begin_commit(self, connection: Connection) -> None:
        if not is_autocommit(connection):  # in autocommit a commit does nothing
            self._statement = Watched(time.monotonic(), False)

    def _end(self, *_arguments: object) -> None:
        watched, self._statement = self._statement, None
        if watched is None:
            return
        took = time.monotonic() - watched.began
        if watched.is_seen:
            self._waited += watched.waited()
        elif watched.looked:  # no look ended, so it may have waited all the time
            self._waited += min(took, self._lock_wait)
        else:
            self._unseen += took

    def _watch(self) -> None:
        while not self._done.wait(LOOK_EVERY):
            if watched := self._due():
                watched.looked = time.monotonic()
                try:
                    with_connection(self._engine, self._look_until_done)
                except (CommandError, DBAPIError) as error:
                    log.debug("Cannot look up the sessions that block a statement: %s", error)
                    self._done.wait(CONNECT_AGAIN)

    def _look_until_done(self, connection: Connection) -> None:
        # A transaction would have a snapshot, and CREATE INDEX CONCURRENTLY waits for those.
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(NAME_ITSELF)
        while True:
            if watched := self._due():
                watched.looked = time.monotonic()
                self._look(connection, watched)
            if self._done.wait(LOOK_EVERY):
                return

    def _due(self) -> Watched | None:
        """The statement in progress, if a look is due. The longer it takes, the rarer the looks."""
        watched, now = self._statement, time.monotonic()
        if watched is None:
            return None
        if watched.looked is None:
            wait = max(min(SHORT, self._patience), self._patience - self._unseen)
            return watched if now - watched.began >= wait else None
        wait = min(SAY_EVERY, (watched.looked - watched.began) / 10)
        return watched if now - watched.looked >= wait else None

    def _look(self, connection: Connection, watched: Watched) -> None:
        with limited(connection):
            rows = connection.execute(BLOCKERS, {"pid": self._pid}).all()
        watched.is_seen |= self._statement is watched
        if not rows:
            return
        wait = rows[0]
        watched.blockers = rows
        watched.waits[wait.waitstart] = wait.seconds
        if self._statement is not watched:  # it ended during the look
            return
        if self._is_too_long(watched, wait):
            watched.is_cancelled = True
            cancelled = connection.execute(CANCEL, {"pid": self._pid, "since": wait.waitstart})
            watched.is_cancelled = bool(cancelled.all())
        elif time.monotonic() - max(watched.began, self._said) >= SAY_EVERY:
            self._said = time.monotonic()
            log.info("Waiting for %s, held by %s.", _name(watched), _sessions(watched))

    def _is_too_long(self, watched: Watched, wait: Any) -> bool:
        if not self._lock_wait or self._has_own_limit:
            return False
        if watched.is_concurrent:  # only this lock of such a statement blocks reads
            return bool(wait.blocks_reads and wait.seconds > self._lock_wait)
        waited = self._waited + watched.waited()
        worked = time.monotonic() - self._began - waited
        return waited > self._lock_wait + worked


def _name(watched: Watched) -> str:
    name: str = watched.blockers[0].name
    return WORDS.get(name) or one_line(name, LONGEST_NAME)


def _sessions(watched: Watched) -> str:
    rows = watched.blockers
    sessions = dict.fromkeys(
        _session(row.pid, row.application_name, row.state, row.age) for row in rows[:MOST_SESSIONS]
    )
    more = len(rows) - MOST_SESSIONS
    return ", ".join([*sessions, *([f"{more} others"] if more > 0 else [])])


def _session(pid: int, name: str | None, state: str | None, age: float | None) -> str:
    if pid == 0:
        return "a prepared transaction"
    since = "" if age is None else f", for {age:.0f} s"
    called = one_line(name or "without a name", LONGEST_NAME)
    return f"pid {int(pid)} ({called}, {one_line(state or 'state hidden', LONGEST_NAME)}{since})"
