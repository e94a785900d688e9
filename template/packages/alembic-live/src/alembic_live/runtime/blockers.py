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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from alembic_live.internals.alembic import is_revision_step
from alembic_live.internals.sqlalchemy import with_own_pool
from alembic_live.postgres.connection import is_autocommit, listening, with_connection
from alembic_live.postgres.explanations import reason_of, sqlstate
from alembic_live.postgres.pooler import announced_pid
from alembic_live.postgres.waits import Activity, Wait, look_at
from alembic_live.postgres.watchdog import limited
from alembic_live.printable import one_line
from alembic_live.runtime.pending import PendingSteps
from alembic_live.runtime.reports import REDRAW_EVERY, Reports
from alembic_live.sql.statement_kinds import is_concurrent
from alembic_live.terminal import clear_progress, shows_progress

log = logging.getLogger("alembic.migrations")

LOOK_AFTER = 0.5  # seconds at most until the first look at a statement
SHORT = 0.1  # seconds: there is no look at a statement that takes less
SHORT_ENOUGH = 2.0  # seconds: a statement that takes less is counted, and has no report
LOOK_EVERY = 0.05  # seconds between two checks of the clock
MOST_BETWEEN = 5.0  # seconds between two looks at a statement
CONNECT_AGAIN, AT_MOST = 1.0, 30.0  # seconds until a second connection is tried again; it doubles
BLIND = "Waits are not named, because that needs a second connection. %s"

# Only during that wait: the statement after it must not be cancelled.
CANCEL = text(
    "SELECT pg_cancel_backend(pid) FROM pg_locks"
    " WHERE pid = :pid AND NOT granted AND waitstart = :since"
)

# The role that logs in may see its own sessions; one of SET ROLE may not.
NAME_ITSELF = text(
    "SELECT set_config('application_name', current_setting('application_name') || ' (lock waits)', false),"
    " set_config('role', 'none', false)"
)

SETS_LIMIT = re.compile(r"\s*SET\s+(?:LOCAL\s+|SESSION\s+)?lock_timeout\b", re.IGNORECASE)


@dataclass(slots=True)
class Watched:
    """A statement in progress, and what the second connection has found out about it."""

    sql: str
    began: float
    is_concurrent: bool
    looked: float | None = None  # when the last look began; it may have to connect first
    is_seen: bool = False  # whether a look ended while the statement was in progress
    waits: dict[Any, float] = field(default_factory=dict)  # seconds, by the start of the wait
    wait: Wait | None = None
    is_cancelled: bool = False

    def waited(self) -> float:
        return sum(list(self.waits.values()))


class Blockers:
    """Watches the statements of a connection, and cancels one if its revision waits too long.

    The statements of a transaction may together wait for as long as one statement may, plus the time
    that the transaction has worked. A retry repeats that work, and other sessions wait for it. Only
    time that is spent waiting for a lock counts.
    """

    def __init__(
        self,
        connection: Connection,
        pid: int,
        *,
        lock_wait: float,
        pending: PendingSteps | None = None,
    ) -> None:
        """
        Args:
            connection: the connection to watch.
            pid: the process id of its session.
            lock_wait: seconds that a statement may wait for a lock; 0 is no limit.
            pending: has the revision in progress.
        """
        self._pending = pending
        self._step: Any = None  # the revision whose statements are counted
        self._count = 0
        self._connection, self._pid, self._lock_wait = connection, pid, lock_wait
        self._patience = min(LOOK_AFTER, lock_wait / 5 or LOOK_AFTER)
        self._engine = with_own_pool(connection.engine)
        self._done = threading.Event()
        self._reports = Reports()
        self._is_blind = False  # whether there is no second connection
        self.remedy = ""  # for what `describe` has described
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
            clear_progress()
            thread.join(timeout=1)  # a look that hangs must not delay the migration
            self._engine.dispose()

    def watch(self, sql: str) -> None:
        """Note that a statement begins."""
        self._end_statement()  # the last one failed, or it would have ended
        is_outside = is_autocommit(self._connection)
        if is_outside:  # the statement is a transaction
            self._forget()
        if self._pending and self._pending.current is not self._step:
            self._step, self._count = self._pending.current, 0
        self._count += 1
        self._has_own_limit |= bool(SETS_LIMIT.match(sql))
        self._statement = Watched(sql, time.monotonic(), is_outside and is_concurrent(sql))

    def has_cancelled(self) -> bool:
        """Whether this object cancelled the statement in progress."""
        return self._statement is not None and self._statement.is_cancelled

    @property
    def last_wait(self) -> Wait | None:
        """What the statement in progress was last seen to wait for."""
        return self._statement.wait if self._statement else None

    def describe(self, statement: str) -> str:
        """A sentence about the statement that could not acquire its lock."""
        watched, self._statement = self._statement, None
        deadline = time.monotonic() + self._patience  # for a look in progress
        while watched and not watched.wait and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        what = f"for: {statement}" if statement else "at the commit"
        self.remedy = watched.wait.remedy if watched and watched.wait else ""
        if watched is None or watched.wait is None:
            why = ": there is no second connection to ask" if self._is_blind else ""
            return f"Could not acquire a lock {what}. The blocking session is unknown{why}."
        if not watched.wait.holders:
            return f"Could not acquire a lock on {watched.wait.what} {what}. Its holder has just ended."
        return f"Could not acquire a lock on {watched.wait.what} {what}. It is held by {watched.wait.holders}."

    def _begin_transaction(self, _connection: Connection) -> None:
        self._has_own_limit, self._statement = False, None
        self._forget()

    def _forget(self) -> None:
        self._began = time.monotonic()
        self._waited = self._unseen = 0.0

    def _begin_commit(self, connection: Connection) -> None:
        if not is_autocommit(connection):  # in autocommit a commit does nothing
            self._statement = Watched("COMMIT", time.monotonic(), False)

    def _end(self, *_arguments: object) -> None:
        if (watched := self._statement) is not None:
            self._reports.executed(self._end_statement(), watched.sql)

    def _end_statement(self) -> float:
        """Returns the seconds that the statement in progress took."""
        watched, self._statement = self._statement, None
        if watched is None:
            return 0
        took = time.monotonic() - watched.began
        if watched.is_seen:
            self._waited += watched.waited()
        elif watched.looked:  # no look ended, so it may have waited all the time
            self._waited += min(took, self._lock_wait)
        else:
            self._unseen += took
        return took

    def _watch(self) -> None:
        pause = CONNECT_AGAIN
        while not self._done.wait(LOOK_EVERY):
            self._report_revision()
            if watched := self._due():
                watched.looked = time.monotonic()
                try:
                    with_connection(self._engine, self._look_until_done, insists=False)
                except (CommandError, DBAPIError) as error:
                    if not self._is_blind and not self._done.is_set():
                        self._is_blind = True
                        log.warning(BLIND, error)
                    self._wait_blindly(pause)
                    pause = min(2 * pause, AT_MOST)

    def _wait_blindly(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._done.wait(LOOK_EVERY):
            if watched := self._statement:
                self._reports.working(time.monotonic() - watched.began, watched.sql, None)
            self._report_revision()

    def _report_revision(self) -> None:
        """Report on a revision whose statements are too short for a look at each."""
        now, watched, pending = time.monotonic(), self._statement, self._pending
        is_long = watched is not None and now - watched.began >= SHORT_ENOUGH
        if pending and not is_long and is_revision_step(pending.current):
            name = one_line(pending.current.revision.revision)
            self._reports.running(now - pending.began, name, self._count)

    def _look_until_done(self, connection: Connection) -> None:
        # A transaction would have a snapshot, and CREATE INDEX CONCURRENTLY waits for those.
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(NAME_ITSELF)
        while True:
            if watched := self._due():
                watched.looked = time.monotonic()
                self._look(connection, watched)
            self._report_revision()
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
        most = REDRAW_EVERY if shows_progress() else MOST_BETWEEN
        wait = min(most, (watched.looked - watched.began) / 10)
        return watched if now - watched.looked >= wait else None

    def _look(self, connection: Connection, watched: Watched) -> None:
        with limited(connection):
            found = look_at(connection, self._pid)
        watched.is_seen |= self._statement is watched
        seconds = time.monotonic() - watched.began
        if isinstance(found, Activity) and self._statement is watched:
            self._reports.working(seconds, watched.sql, found)
        if not isinstance(found, Wait):
            return
        if found.holders or not watched.wait:
            watched.wait = found
        if found.since:
            watched.waits[found.since] = found.seconds
        if self._statement is not watched:  # it ended during the look
            return
        if found.since and self._is_too_long(watched, found):
            watched.is_cancelled = True
            cancelled = connection.execute(CANCEL, {"pid": self._pid, "since": found.since})
            watched.is_cancelled = bool(cancelled.all())
        else:
            self._reports.waiting(seconds, found)

    def _is_too_long(self, watched: Watched, wait: Wait) -> bool:
        if not self._lock_wait or self._has_own_limit:
            return False
        if watched.is_concurrent:  # only this lock of such a statement blocks reads
            return wait.blocks_reads and wait.seconds > self._lock_wait
        waited = self._waited + watched.waited()
        worked = time.monotonic() - self._began - waited
        return waited > self._lock_wait + worked


@contextmanager
def named_waits(connection: Connection) -> Iterator[None]:
    """Log what the statements of the block wait for.

    Raises:
        CommandError: the block raises it, or a lock is not available in time; the text says what it
            waited for.
    """
    pid = announced_pid(connection)
    if pid is None:
        yield
        return
    blockers = Blockers(connection, pid, lock_wait=0)
    with blockers.watching():
        try:
            yield
        except (CommandError, DBAPIError) as error:
            wait = blockers.last_wait
            if wait is None or (isinstance(error, DBAPIError) and sqlstate(error) != "55P03"):
                raise
            reason = str(error) if isinstance(error, CommandError) else f"{reason_of(error)}."
            raise CommandError(f"{reason} It waited for {wait}") from error
