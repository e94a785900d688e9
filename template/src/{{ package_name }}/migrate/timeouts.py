"""Limits on what a revision may wait for: a statement that queues for a lock on a table makes
everything else that wants the table queue behind it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from .connection import is_autocommit, listening
from .pooler import require_same_session
from .statement_kinds import is_concurrent


@contextmanager
def timeouts(connection: Connection, *, lock: float, statement: float, pid: int) -> Iterator[None]:
    """Limit every statement of the connection, in seconds. 0 is no limit.

    Within a transaction both limits belong to it, and are gone with it. Outside of one the limit
    on locks is the session's, and does not hold for what runs CONCURRENTLY: that waits for
    transactions to end without blocking them, and leaves an invalid index where it is cut off.

    Args:
        connection: whose session has the limit on locks already.
        lock: that a statement may wait for a lock.
        statement: that a statement in a transaction may take.
        pid: of the session that the connection must still have.

    Raises:
        CommandError: a pooler has changed the session.
    """
    outside = lock  # the session's limit on locks

    def limit_transaction(begun: Connection) -> None:
        if not is_autocommit(begun):
            row = begun.exec_driver_sql(
                f"SELECT set_config('lock_timeout', '{milliseconds(lock)}', true),"
                f" set_config('statement_timeout', '{milliseconds(statement)}', true),"
                " pg_backend_pid()"
            ).one()
            require_same_session(pid, row[2])

    def limit_session(executing: Connection, _cursor: object, sql: str, *_rest: object) -> None:
        nonlocal outside
        if not is_autocommit(executing) or sql.startswith(SESSION_LIMIT):
            return
        wanted = 0 if is_concurrent(sql) else lock
        if wanted != outside:
            executing.exec_driver_sql(f"{SESSION_LIMIT}{milliseconds(wanted)}', false)")
            outside = wanted

    with listening(connection, begin=limit_transaction, before_cursor_execute=limit_session):
        yield


SESSION_LIMIT = "SELECT set_config('lock_timeout', '"


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000)) if seconds else 0
