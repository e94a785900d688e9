"""Limits on each statement of a revision. A statement that waits for a lock on a table blocks every
later statement on that table.

`wait_limit` limits all waits of a transaction together.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from alembic_live.internals.sqlalchemy import begin_with, driver_error
from alembic_live.postgres.connection import is_autocommit, listening
from alembic_live.postgres.explanations import sqlstate
from alembic_live.postgres.pooler import require_same_session
from alembic_live.sql.statement_kinds import is_concurrent


@contextmanager
def timeouts(
    connection: Connection, *, lock_wait: float, statement: float, pid: int
) -> Iterator[None]:
    """Limit every statement of the connection during the block, in seconds. 0 is no limit.

    Both limits are set at the start of each transaction and end with it. Outside of transactions the
    limit on locks is one of the session, without statements that run CONCURRENTLY: those wait for
    transactions without blocking them, and leave an invalid index if they are cancelled.

    Args:
        connection: its session has the limit on locks already.
        lock_wait: seconds that a statement may wait for a lock.
        statement: seconds that a statement in a transaction may take.
        pid: the process id of the session that the connection must still have.

    Raises:
        CommandError: a pooler has changed the session.
    """
    outside = lock_wait  # the session's limit on locks

    limits = (
        f"SELECT set_config('lock_timeout', '{milliseconds(lock_wait)}', true),"
        f" set_config('statement_timeout', '{milliseconds(statement)}', true)"
    )

    def limit_transaction(begun: Connection) -> None:
        if is_autocommit(begun):
            return
        try:
            if begin_with(begun, f"{limits}, 1 / (pg_backend_pid() = {pid})::int"):
                return
        except driver_error(begun) as error:
            if sqlstate(error) != DIVISION_BY_ZERO:
                raise
            begun.invalidate()
            require_same_session(begun, pid, None)
        row = begun.exec_driver_sql(f"{limits}, pg_backend_pid()").one()
        require_same_session(begun, pid, row[2])

    def limit_session(executing: Connection, _cursor: object, sql: str, *_rest: object) -> None:
        nonlocal outside
        if not is_autocommit(executing) or sql.startswith(SESSION_LIMIT):
            return
        wanted = 0 if is_concurrent(sql) else lock_wait
        if wanted != outside:
            executing.exec_driver_sql(f"{SESSION_LIMIT}{milliseconds(wanted)}', false)")
            outside = wanted

    with listening(connection, begin=limit_transaction, before_cursor_execute=limit_session):
        yield


DIVISION_BY_ZERO = "22012"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
SESSION_LIMIT = "SELECT set_config('lock_timeout', '"


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000)) if seconds else 0
