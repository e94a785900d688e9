"""The limit on the waits of a transaction: Postgres limits the wait of each statement only.

The statements of a transaction may together wait for as long as one statement may, plus the time that
the transaction has worked. A retry repeats that work, and other sessions wait for it. Only time that is
spent waiting for a lock counts.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from alembic_live.postgres.waits import Wait
from alembic_live.sql.statement_kinds import sets_lock_timeout


@dataclass(slots=True)
class Watched:
    """A statement in progress, and what the second connection has found out about it."""

    sql: str
    is_concurrent: bool = False  # it waits for transactions without blocking them
    began: float = field(default_factory=time.monotonic)
    looked: float | None = None  # when the last look began; it may have to connect first
    is_seen: bool = False  # whether a look ended while the statement was in progress
    waits: dict[Any, float] = field(default_factory=dict)  # seconds, by the start of the wait
    wait: Wait | None = None  # the last one
    is_cancelled: bool = False

    @property
    def seconds(self) -> float:
        """How long it is in progress."""
        return time.monotonic() - self.began

    def waited(self) -> float:
        """How long it has waited."""
        return sum(list(self.waits.values()))

    def note(self, wait: Wait) -> None:
        """Note a wait that was seen. Its holder may just have ended: then the one before stays."""
        if wait.holders or not self.wait:
            self.wait = wait
        if wait.since:
            self.waits[wait.since] = wait.seconds


class WaitLimit:
    """Adds up the waits of a transaction.

    Attributes:
        unseen: the seconds that statements without a look took.
    """

    def __init__(self, lock_wait: float) -> None:
        """
        Args:
            lock_wait: seconds that a statement may wait for a lock; 0 is no limit.
        """
        self._lock_wait = lock_wait
        self._has_own_limit = False  # whether the revision has set lock_timeout
        self.forget()

    def begin_transaction(self) -> None:
        """A transaction begins."""
        self._has_own_limit = False
        self.forget()

    def forget(self) -> None:
        """A statement begins that is a transaction."""
        self._began = time.monotonic()
        self._waited = 0.0  # seconds that ended statements waited
        self.unseen = 0.0

    def begin(self, sql: str) -> None:
        """A statement begins."""
        self._has_own_limit |= sets_lock_timeout(sql)

    def end(self, watched: Watched) -> None:
        """A statement ends."""
        if watched.is_seen:
            self._waited += watched.waited()
        elif watched.looked:  # no look ended, so it may have waited all the time
            self._waited += min(watched.seconds, self._lock_wait)
        else:
            self.unseen += watched.seconds

    def is_exceeded(self, watched: Watched, wait: Wait) -> bool:
        """Whether the statement in progress makes its transaction wait too long."""
        if not (self._lock_wait and wait.since) or self._has_own_limit:
            return False
        if watched.is_concurrent:  # only this lock of such a statement blocks reads
            return wait.blocks_reads and wait.seconds > self._lock_wait
        waited = self._waited + watched.waited()
        worked = time.monotonic() - self._began - waited
        return waited > self._lock_wait + worked
