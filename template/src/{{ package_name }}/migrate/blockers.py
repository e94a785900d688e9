"""Who keeps a statement waiting, and for how long, looked up from a second connection while it
waits. Postgres's error says neither what the lock was on nor who held it, afterwards nobody knows,
and Postgres has no limit on what the statements of a transaction wait together.
"""

import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..printable import one_line
from .connection import is_autocommit, listening, with_connection
from .statement_kinds import is_concurrent
from .watchdog import limited

log = logging.getLogger("alembic.migrations")

LOOK_AFTER = 0.5  # seconds, at the most, until a statement is looked at
SHORT = 0.1  # seconds, at the least: a statement that takes less is not looked at
LOOK_EVERY = 0.05  # seconds between two looks at the clock
SAY_EVERY = 5.0  # seconds between two messages about a statement that still waits
CONNECT_AGAIN = 1.0  # seconds until a second connection is tried again
LONGEST_NAME = 300  # characters
MOST_SESSIONS = 10  # that are named

# waitstart: Postgres 14 and later.
BLOCKERS = text(
    """
    SELECT coalesce('"' || w.relation::regclass::text || '"', w.locktype) AS name,
           w.locktype = 'relation' AND w.mode = 'AccessExclusiveLock' AS shuts_out, w.waitstart,
           coalesce(extract(epoch FROM clock_timestamp() - w.waitstart), 0)::float AS seconds,
           p.pid, a.application_name, a.state,
           extract(epoch FROM clock_timestamp() - a.xact_start)::float AS age
    FROM (SELECT relation, locktype, mode, waitstart FROM pg_locks
          WHERE pid = :pid AND NOT granted LIMIT 1) w
    CROSS JOIN unnest(pg_blocking_pids(:pid)) p (pid) LEFT JOIN pg_stat_activity a USING (pid)
    ORDER BY a.xact_start
    """
)

# Only while that wait lasts: what comes after it is not meant.
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
    """A statement in progress, and what the second connection has seen of it."""

    began: float
    is_concurrent: bool
    looked: float | None = None  # when a look began, which may have to connect first
    is_seen: bool = False  # whether one has ended while the statement was in progress
    waits: dict[Any, float] = field(default_factory=dict)  # seconds, by when the wait began
    blockers: Sequence[Any] = ()
    is_cancelled: bool = False

    def waited(self) -> float:
        return sum(list(self.waits.values()))


class Blockers:
    """Watches the statements of one connection, and ends one whose revision waits too long.

    Together, the statements of a transaction may wait for locks as long as one alone may, and as
    long again as the transaction has worked: to be tried again, the revision would have to do
    that work once more, and others would wait for that. Only waiting counts as waiting.
    """

    def __init__(self, connection: Connection, pid: int, *, lock: float) -> None:
        """
        Args:
            connection: the one that is watched.
            pid: of its session.
            lock: seconds that one statement may wait for a lock; 0 is no limit.
        """
        self._connection, self._pid, self._lock = connection, pid, lock
        self._patience = min(LOOK_AFTER, lock / 5 or LOOK_AFTER)
        # A pool of its own: the connection's may have no other to give.
        self._engine = copy(connection.engine)
        self._engine.pool = connection.engine.pool.recreate()
        self._done = threading.Event()
        self._statement: Watched | None
        self._said = 0.0
        self._begin_transaction(connection)

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
            thread.join(timeout=1)  # a look that hangs does not hold up the migration
            self._engine.dispose()

    def watch(self, sql: str) -> None:
        """Note that a statement begins."""
        self._end()  # of one that failed
        is_outside = is_autocommit(self._connection)
        if is_outside:  # it is a transaction by itself
            self._forget()
        self._has_own_limit |= bool(SETS_LIMIT.match(sql))
        self._statement = Watched(time.monotonic(), is_outside and is_concurrent(sql))

    def has_cancelled(self) -> bool:
        """Whether it was this that ended the statement in progress."""
        return self._statement is not None and self._statement.is_cancelled

    def describe(self, statement: str) -> str:
        """A sentence about the statement that did not get its lock."""
        watched, self._statement = self._statement, None
        deadline = time.monotonic() + self._patience  # a look that is in progress
        while watched and not watched.blockers and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        what = f"for: {statement}" if statement else "at the commit"
        if watched is None or not watched.blockers:
            return f"No lock was to be had {what}. Who held it is not known."
        return (
            f"No lock on {_name(watched)} was to be had {what}. It is held by {_sessions(watched)}."
        )

    def _begin_transaction(self, _connection: Connection) -> None:
        self._has_own_limit, self._statement = False, None
        self._forget()

    def _forget(self) -> None:
        self._began = time.monotonic()
        self._waited = 0.0  # seconds, of the statements that have ended
        self._unseen = 0.0  # seconds that statements took which were not looked at

    def _begin_commit(self, connection: Connection) -> None:
        if not is_autocommit(connection):  # where a commit does nothing
            self._statement = Watched(time.monotonic(), False)

    def _end(self, *_arguments: object) -> None:
        watched, self._statement = self._statement, None
        if watched is None:
            return
        took = time.monotonic() - watched.began
        if watched.is_seen:
            self._waited += watched.waited()
        elif watched.looked:  # in vain, so it may have waited all the time
            self._waited += min(took, self._lock)
        else:
            self._unseen += took

    def _watch(self) -> None:
        while not self._done.wait(LOOK_EVERY):
            if watched := self._due():
                watched.looked = time.monotonic()
                try:
                    with_connection(self._engine, self._look_until_done)
                except (CommandError, DBAPIError) as error:
                    log.debug("Cannot look for what a statement waits for: %s", error)
                    self._done.wait(CONNECT_AGAIN)

    def _look_until_done(self, connection: Connection) -> None:
        # In a transaction it would have a snapshot, which CREATE INDEX CONCURRENTLY waits for.
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(NAME_ITSELF)
        while True:
            if watched := self._due():
                watched.looked = time.monotonic()
                self._look(connection, watched)
            if self._done.wait(LOOK_EVERY):
                return

    def _due(self) -> Watched | None:
        """The statement in progress, where it is time to look at it: seldom, where it is long."""
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
        if self._statement is not watched:  # it has ended meanwhile
            return
        if self._is_too_long(watched, wait):
            watched.is_cancelled = True
            cancelled = connection.execute(CANCEL, {"pid": self._pid, "since": wait.waitstart})
            watched.is_cancelled = bool(cancelled.all())
        elif time.monotonic() - max(watched.began, self._said) >= SAY_EVERY:
            self._said = time.monotonic()
            log.info("Waiting for %s, held by %s.", _name(watched), _sessions(watched))

    def _is_too_long(self, watched: Watched, wait: Any) -> bool:
        if not self._lock or self._has_own_limit:
            return False
        if watched.is_concurrent:  # the only lock of such a statement that keeps readers waiting
            return bool(wait.shuts_out and wait.seconds > self._lock)
        waited = self._waited + watched.waited()
        worked = time.monotonic() - self._began - waited
        return waited > self._lock + worked


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
