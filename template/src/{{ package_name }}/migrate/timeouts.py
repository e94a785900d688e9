"""Limits on what a revision may wait for: a statement that queues for a lock on a table makes
everything else that wants the table queue behind it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError

HOLDERS = text(
    """
    SELECT c.relname, a.pid, a.application_name, a.state,
           extract(epoch FROM clock_timestamp() - a.xact_start)
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.granted AND a.pid <> pg_backend_pid() AND c.relkind IN ('r', 'p', 'm')
      AND c.relnamespace <> 'pg_catalog'::regnamespace
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY a.xact_start
    """
)


@contextmanager
def timeouts(connection: Connection, *, lock: float, statement: float) -> Iterator[None]:
    """Set limits, in seconds, at the begin of every transaction and for that transaction: they
    are gone with it, and do not cut off what runs outside of one, as CREATE INDEX CONCURRENTLY
    does. 0 is no limit.
    """

    def limit(begun: Connection) -> None:
        if begun.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            begun.exec_driver_sql(
                f"SELECT set_config('lock_timeout', '{round(lock * 1000)}', true),"
                f" set_config('statement_timeout', '{round(statement * 1000)}', true)"
            )

    event.listen(connection, "begin", limit)
    try:
        yield
    finally:
        event.remove(connection, "begin", limit)


def describe_holders(connection: Connection, error: DBAPIError, older_than: float) -> str:
    """Which sessions hold the table that a statement did not get, in a sentence.

    Postgres says neither. So: of the tables that others hold, those that the statement names.
    """
    statement = " ".join((error.statement or "").split())
    with nullcontext() if connection.in_transaction() else connection.begin():
        held = connection.execute(HOLDERS).all()
    named = [row for row in held if re.search(rf"\b{re.escape(row[0])}\b", statement)]
    rows = named or [row for row in held if row[4] is not None and row[4] >= older_than]
    if not rows:
        return f"No lock was to be had for: {statement}. Whoever held it has just let it go."
    tables = ", ".join(sorted({f'"{row[0]}"' for row in rows}))
    sessions = ", ".join(
        sorted({_session(pid, name, state, age) for _, pid, name, state, age in rows})
    )
    return f"No lock on {tables} was to be had for: {statement}. It is held by {sessions}."


def _session(pid: int, name: str, state: str | None, age: float | None) -> str:
    since = "" if age is None else f", for {age:.0f} s"
    return f"pid {pid} ({name or 'without a name'}, {state or 'state hidden'}{since})"
