"""The sessions that block a statement, and what a statement works at.

A second connection looks while the statement is in progress: the error of Postgres names neither the
locked object nor the blocking session. It cancels a statement whose transaction waits too long
(`wait_limit`). `timeouts` limits the wait of each statement.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from alembic_live.internals.alembic import is_revision_step
from alembic_live.internals.sqlalchemy import with_own_pool
from alembic_live.postgres.connection import is_autocommit, listening, with_connection
from alembic_live.postgres.explanations import explain_refusal
from alembic_live.postgres.waits import Activity, Wait, look_at
from alembic_live.postgres.watchdog import limited
from alembic_live.printable import one_line
from alembic_live.runtime.pending import PendingSteps
from alembic_live.runtime.reports import REDRAW_EVERY, Reports
from alembic_live.runtime.wait_limit import WaitLimit, Watched
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


class Blockers:
    """Watches the statements of a connection, and cancels one if its revision waits too long.

    Attributes:
        remedy: what to do about the sessions that `describe` has named.
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
            pending: has the revision in progress. None for the library's own statements.
        """
        self._connection, self._pid, self._pending = connection, pid, pending
        self._patience = min(LOOK_AFTER, lock_wait / 5 or LOOK_AFTER)
        self._engine = with_own_pool(connection.engine)
        self._done = threading.Event()
        self._reports = Reports()
        self._limit = WaitLimit(lock_wait)
        self._is_blind = False  # whether there is no second connection
        self._step: Any = None  # the revision whose statements are counted
        self._count = 0
        self._statement: Watched | None = None  # in progress
        self.remedy = ""

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
            self._limit.forget()
        if self._pending and self._pending.current is not self._step:
            self._step, self._count = self._pending.current, 0
        self._count += 1
        self._limit.begin(sql)
        self._statement = Watched(sql, is_outside and is_concurrent(sql))

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
        self._statement = None
        self._limit.begin_transaction()

    def _begin_commit(self, connection: Connection) -> None:
        if not is_autocommit(connection):  # in autocommit a commit does nothing
            self._statement = Watched("COMMIT")

    def _end(self, *_arguments: object) -> None:
        watched = self._end_statement()
        clear_progress()
        if watched and self._pending:  # the library's own statements get no line
            self._reports.executed(watched.seconds, watched.sql)

    def _end_statement(self) -> Watched | None:
        watched, self._statement = self._statement, None
        if watched:
            self._limit.end(watched)
        return watched

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
                        log.warning(BLIND, _reason(error))
                    self._wait_blindly(pause)
                    pause = min(2 * pause, AT_MOST)

    def _wait_blindly(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._done.wait(LOOK_EVERY):
            if watched := self._statement:
                self._reports.working(watched.seconds, watched.sql, None)
            self._report_revision()

    def _report_revision(self) -> None:
        """Report on a revision whose statements are too short for a look at each."""
        watched, pending = self._statement, self._pending
        is_long = watched is not None and watched.seconds >= SHORT_ENOUGH
        if pending and not is_long and is_revision_step(pending.current):
            name = one_line(pending.current.revision.revision)
            self._reports.running(time.monotonic() - pending.began, name, self._count)

    def _look_until_done(self, connection: Connection) -> None:
        # A transaction would have a snapshot, and CREATE INDEX CONCURRENTLY waits for those.
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(NAME_ITSELF)
        self._is_blind = False
        while True:
            if watched := self._due():
                watched.looked = time.monotonic()
                self._look(connection, watched)
            self._report_revision()
            if self._done.wait(LOOK_EVERY):
                return

    def _due(self) -> Watched | None:
        """The statement in progress, if a look is due. The longer it takes, the rarer the looks."""
        watched = self._statement
        if watched is None:
            return None
        if watched.looked is None:
            wait = max(min(SHORT, self._patience), self._patience - self._limit.unseen)
            return watched if watched.seconds >= wait else None
        most = REDRAW_EVERY if shows_progress() else MOST_BETWEEN
        wait = min(most, (watched.looked - watched.began) / 10)
        return watched if time.monotonic() - watched.looked >= wait else None

    def _look(self, connection: Connection, watched: Watched) -> None:
        with limited(connection):
            found = look_at(connection, self._pid)
        watched.is_seen |= self._statement is watched
        if isinstance(found, Wait):
            watched.note(found)
        if self._statement is not watched:  # it ended during the look
            return
        if isinstance(found, Activity):
            self._reports.working(watched.seconds, watched.sql, found)
        elif found and self._limit.is_exceeded(watched, found):
            watched.is_cancelled = True
            cancelled = connection.execute(CANCEL, {"pid": self._pid, "since": found.since})
            watched.is_cancelled = bool(cancelled.all())
        elif found:
            self._reports.waiting(watched.seconds, found)


def _reason(error: CommandError | DBAPIError) -> str:
    return explain_refusal(error) if isinstance(error, DBAPIError) else str(error)
