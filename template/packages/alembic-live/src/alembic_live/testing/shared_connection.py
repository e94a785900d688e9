"""One connection, and one transaction in it, for all sessions of a test.

Each session has a savepoint there. Savepoints are a stack, and transactions are not: a session that
begins while another one is open waits for its end, unless code inside of the other one begins it.
"""

import time
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alembic_live.internals.sqlalchemy_connection import SavepointConnection
from alembic_live.postgres.explanations import sqlstate
from alembic_live.testing.elsewhere import AnyLoopsLock, pause, running_loop
from alembic_live.testing.outlived import refuse_outlived

PATIENCE = 10  # seconds that a session waits for another one
ABORTED = "25P02"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
CONTROL = ("SAVEPOINT", "RELEASE", "ROLLBACK")

BLOCKED = (
    f"A session has waited {PATIENCE} s for another one of the same test. With the fixture `db`, "
    "concurrent sessions run one after another. End the other one first, or use `committing_db`."
)
LOST = (
    "A session was rolled back, and with it what another session had committed meanwhile: with the "
    "fixture `db` they share a transaction. Use `committing_db` in a test that needs both."
)
GONE = (
    "This session was rolled back together with an earlier one, which has ended first: with the "
    "fixture `db` they share a transaction. End them in reverse order, or use `committing_db`."
)

# The open savepoints in which the running code began: its own, and those of the code around it.
_around: ContextVar[frozenset[int]] = ContextVar("alembic_live_savepoints", default=frozenset())
_numbers = count()


class SharedTransactionError(RuntimeError):
    """Sessions of a test cannot share one transaction. The text says why, and what to do."""


class SharedTransactionWarning(UserWarning):
    """A test gets something else than it would if each session had a transaction for itself."""


@dataclass(eq=False)
class Savepoint:
    """The transaction of a session, or a savepoint in it.

    Attributes:
        name: the name in SQL.
        session: the session.
        has_written: whether something else than SELECT has run since.
        has_others: whether other sessions have committed since.
        has_ended: whether its session has committed while a later savepoint was open.
    """

    name: str
    session: Session | None = None
    has_written: bool = False
    has_others: bool = False
    has_ended: bool = False
    number: int = field(default_factory=lambda: next(_numbers))


class SharedConnection(SavepointConnection):
    """The connection of the sessions of a test. `root` is the session of the test itself."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.root: Session | None = None
        self._open = list[Savepoint]()
        self._lock = AnyLoopsLock()

    @property
    def open_sessions(self) -> list[Session]:
        """The sessions that have begun and not ended, without that of the test."""
        sessions = dict.fromkeys(each.session for each in self._open if not each.has_ended)
        return [session for session in sessions if session and session is not self.root]

    def has_begun(self, session: Session) -> None:
        """The last savepoint belongs to this session."""
        self._open[-1].session = session

    def executes(self, statement: str) -> None:
        """A statement is about to run."""
        first = statement.split(maxsplit=1)[0].upper() if statement.strip() else "SELECT"
        if not self._open or first in ("SELECT", *CONTROL):
            return
        savepoint = self._open[-1]
        if savepoint.has_others and not savepoint.has_written:
            # From here on, a rollback undoes this session's changes only.
            super().release(savepoint.name)
            super().create(savepoint.name)
            savepoint.has_others = False
        savepoint.has_written = True

    def create(self, name: str | None = None) -> str:
        """
        Raises:
            ConfigurationError: asyncio does not run.
            OutlivedTaskError: the running task is one of an earlier test.
            SharedTransactionError: another session does not end.
        """
        running_loop()
        refuse_outlived()
        self._acquire(self._may_begin)
        try:
            savepoint = Savepoint(self._created(name))
            self._open.append(savepoint)
        finally:
            self._lock.release()
        around = _around.get() & {each.number for each in self._open}
        _around.set(around | {savepoint.number})
        return savepoint.name

    def _created(self, name: str | None) -> str:
        try:
            return super().create(name)
        except DBAPIError as error:
            if sqlstate(error) != ABORTED or not self._open:
                raise
        # A statement of the session below has failed. Nothing but a rollback is left for that one.
        self._undo(self._open[-1])
        return super().create(name)

    def release(self, name: str) -> None:
        """
        Raises:
            SharedTransactionError: a session that began later does not end, or this one was rolled
                back together with an earlier one.
        """
        savepoint = self._named(name)
        if savepoint is None:
            raise SharedTransactionError(GONE)
        self._acquire(lambda: self._may_end(savepoint))
        try:
            if savepoint is self._open[-1]:
                super().release(name)
            else:
                self.unlink(name)
            savepoint.has_ended = True
            while self._open and self._open[-1].has_ended:
                self._merge(self._open.pop())
        finally:
            self._lock.release()

    def _merge(self, ended: Savepoint) -> None:
        if not self._open:
            return
        below = self._open[-1]
        if below.session is ended.session:
            below.has_written |= ended.has_written
            below.has_others |= ended.has_others
        else:
            below.has_others |= ended.has_written or ended.has_others

    def roll_back(self, name: str) -> None:
        """
        Raises:
            SharedTransactionError: a session that began later does not end.
        """
        savepoint = self._named(name)
        if savepoint is None:
            return
        self._acquire(lambda: self._may_end(savepoint))
        try:
            later = self._open[self._open.index(savepoint) + 1 :]
            savepoint.has_others |= any(
                each.has_written and each.session is not savepoint.session for each in later
            )
            self._undo(savepoint)
            self.unlink(name)
            del self._open[self._open.index(savepoint) :]
        finally:
            self._lock.release()

    def _undo(self, savepoint: Savepoint) -> None:
        """Roll back. What other sessions have committed meanwhile stays, if this one wrote nothing."""
        if savepoint.has_others and not savepoint.has_written:
            try:
                super().release(savepoint.name)
            except DBAPIError:
                pass  # a statement has failed
            else:
                return
        if savepoint.has_others:
            warnings.warn(LOST, SharedTransactionWarning, stacklevel=1)
        super().roll_back(savepoint.name)
        savepoint.has_others = savepoint.has_written = False

    def _named(self, name: str) -> Savepoint | None:
        return next((each for each in self._open if each.name == name), None)

    def _may_begin(self) -> bool:
        if not self._open:
            return True
        last = self._open[-1]
        return last.session is self.root or last.number in _around.get()

    def _may_end(self, savepoint: Savepoint) -> bool:
        later = self._open[self._open.index(savepoint) + 1 :] if savepoint in self._open else []
        return all(each.has_ended or each.number in _around.get() for each in later)

    def _acquire(self, is_turn: Callable[[], bool]) -> None:
        began = time.monotonic()
        while True:
            if self._lock.try_once():
                if is_turn():
                    return
                self._lock.release()
            if time.monotonic() - began > PATIENCE:
                raise SharedTransactionError(BLOCKED)
            pause()
