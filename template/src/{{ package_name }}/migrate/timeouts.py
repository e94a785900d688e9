"""Limits on what a revision may wait for: a statement that queues for a lock on a table makes
everything else that wants the table queue behind it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event

from .pooler import require_same_session

# Statements that take strong locks, which a transaction keeps to its end.
LOCKING = ("ALTER", "CREATE", "DROP", "LOCK", "REFRESH", "REINDEX", "TRUNCATE")
NOTICED = 0.1  # seconds of waiting that count
SHORTEST = 0.1  # seconds that any statement may wait: those of others that are in progress


@contextmanager
def timeouts(connection: Connection, *, lock: float, statement: float, pid: int) -> Iterator[None]:
    """Set limits, in seconds, at the begin of every transaction and for that transaction: they
    are gone with it, and do not cut off what runs outside of one. 0 is no limit.

    The limit on locks is one for the whole transaction: who waits for a table that an early
    statement has locked also waits while a later one waits for another table.

    Args:
        connection: which begins the transactions.
        lock: that all statements together may wait for locks.
        statement: that a statement may take.
        pid: of the session that the connection must still have.

    Raises:
        CommandError: a pooler has changed the session.
    """
    spent = began = 0.0
    in_transaction = False

    def limit(begun: Connection) -> None:
        nonlocal spent, in_transaction
        spent = 0.0
        in_transaction = not is_autocommit(begun)
        if in_transaction:
            row = begun.exec_driver_sql(
                f"SELECT set_config('lock_timeout', '{milliseconds(lock)}', true),"
                f" set_config('statement_timeout', '{milliseconds(statement)}', true),"
                " pg_backend_pid()"
            ).one()
            require_same_session(pid, row[2])

    def before(executing: Connection, _cursor: object, sql: str, *_rest: object) -> None:
        nonlocal began
        began = time.monotonic()
        if (
            in_transaction
            and lock
            and spent > NOTICED
            and sql.lstrip()[:9].upper().startswith(LOCKING)
        ):
            left = milliseconds(max(SHORTEST, lock - spent))
            executing.exec_driver_sql(f"SELECT set_config('lock_timeout', '{left}', true)")
            began = time.monotonic()

    def after(_executing: Connection, _cursor: object, sql: str, *_rest: object) -> None:
        nonlocal spent
        if sql.lstrip()[:9].upper().startswith(LOCKING):
            spent += time.monotonic() - began

    listeners: dict[str, Callable[..., None]] = {
        "begin": limit,
        "before_cursor_execute": before,
        "after_cursor_execute": after,
    }
    for name, listener in listeners.items():
        event.listen(connection, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(connection, name, listener)


def is_autocommit(connection: Connection) -> bool:
    """Whether the connection is in an `autocommit_block`, outside of transactions."""
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000)) if seconds else 0
