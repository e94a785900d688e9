"""Who keeps a statement waiting, looked up from a second connection while it waits: Postgres's
error says neither what the lock was on nor who held it, and afterwards nobody knows.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError

from ..printable import one_line
from .connection import with_connection
from .watchdog import limited

log = logging.getLogger("alembic.migrations")

LOOK_EVERY = 0.05  # seconds between two looks at the clock
SAY_EVERY = 5.0  # seconds between two messages about a statement that still waits
LONGEST_NAME = 300  # characters
MOST_SESSIONS = 10  # that are named

BLOCKERS = text(
    """
    SELECT coalesce('"' || w.relation::regclass::text || '"', w.locktype), p.pid, a.application_name,
           a.state, extract(epoch FROM clock_timestamp() - a.xact_start)
    FROM (SELECT relation, locktype FROM pg_locks WHERE pid = :pid AND NOT granted LIMIT 1) w,
         unnest(pg_blocking_pids(:pid)) p (pid) LEFT JOIN pg_stat_activity a USING (pid)
    ORDER BY a.xact_start
    """
)

WORDS = {"transactionid": "a row", "tuple": "a row", "virtualxid": "older transactions"}


class Blockers:
    """Watches the statements of one connection."""

    def __init__(self, connection: Connection, pid: int, patience: float) -> None:
        """
        Args:
            connection: the one that is watched.
            pid: of its session.
            patience: seconds after which a statement counts as waiting.
        """
        self._connection, self._pid, self._patience = connection, pid, patience
        # A pool of its own: the connection's may have no other to give.
        self._engine = copy(connection.engine)
        self._engine.pool = connection.engine.pool.recreate()
        self._began: float | None = None  # when the statement in progress did
        self._rows: list[Any] = []
        self._done = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch during the block, in a thread."""
        thread = threading.Thread(target=self._watch, daemon=True)
        event.listen(self._connection, "before_cursor_execute", self._begin)
        event.listen(self._connection, "after_cursor_execute", self._end)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            event.remove(self._connection, "before_cursor_execute", self._begin)
            event.remove(self._connection, "after_cursor_execute", self._end)
            thread.join(timeout=1)  # a look that hangs does not hold up the migration
            self._engine.dispose()

    def describe(self, statement: str) -> str:
        """A sentence about the statement that did not get its lock."""
        began, self._began = self._began, None
        deadline = time.monotonic() + self._patience  # a look that is in progress
        while began and not self._rows and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        what = f"for: {statement}" if statement else "at the commit"
        if not self._rows:
            return f"No lock was to be had {what}. Who held it is not known."
        return (
            f"No lock on {self._rows[0][0]} was to be had {what}. It is held by {self._sessions()}."
        )

    def _begin(self, *_arguments: object) -> None:
        self._rows, self._began = [], time.monotonic()

    def _end(self, *_arguments: object) -> None:
        self._began = None

    def _watch(self) -> None:
        looked: float | None = None  # at which statement
        said = 0.0
        while not self._done.wait(LOOK_EVERY):
            began = self._began
            if began is None or time.monotonic() - began < self._patience:
                continue
            is_long = time.monotonic() - max(began, said) >= SAY_EVERY
            if began == looked and not is_long:
                continue
            looked = began
            with suppress(CommandError, DBAPIError):
                rows = with_connection(self._engine, self._look)
                if self._began in (began, None):
                    self._rows = rows
            if is_long and self._rows:
                said = time.monotonic()
                log.info("Waiting for %s, held by %s.", self._rows[0][0], self._sessions())

    def _look(self, connection: Connection) -> list[Any]:
        with limited(connection):
            rows = connection.execute(BLOCKERS, {"pid": self._pid}).all()
        return [(one_line(WORDS.get(row[0]) or row[0], LONGEST_NAME), *row[1:]) for row in rows]

    def _sessions(self) -> str:
        named = list(dict.fromkeys(_session(*row[1:]) for row in self._rows[:MOST_SESSIONS]))
        more = len(self._rows) - MOST_SESSIONS
        return ", ".join([*named, *([f"{more} others"] if more > 0 else [])])


def _session(pid: int, name: str | None, state: str | None, age: float | None) -> str:
    if pid == 0:
        return "a prepared transaction"
    since = "" if age is None else f", for {age:.0f} s"
    called = one_line(name or "without a name", LONGEST_NAME)
    return f"pid {int(pid)} ({called}, {one_line(state or 'state hidden', LONGEST_NAME)}{since})"
