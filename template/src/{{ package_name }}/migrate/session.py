"""The session on the server that migrates: its settings, and its end when the process is stopped."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy

from sqlalchemy import Connection, Engine, TableClause, bindparam, column, inspect, select, text
from sqlalchemy.exc import DBAPIError

from ..database.keepalive import CHECK_SETTING, SERVER_SETTINGS, watching_sql
from .advisory_lock import lock_holder
from .connection import with_connection
from .timeouts import milliseconds

# The role or the database may have defaults for these, made for the service's short transactions.
# They would end a migration in the middle. Older servers do not know all of them.
LIFTED = (
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)

CHECK = 1.0  # seconds until the server notices that the client of a statement was killed

READ = text("SELECT name, setting FROM pg_settings WHERE name IN :names").bindparams(
    bindparam("names", expanding=True)
)

END = text("SELECT pg_terminate_backend(:pid, 500)")  # milliseconds to wait for its end


@contextmanager
def migrating_session(connection: Connection, *, lock: float = 0) -> Iterator[None]:
    """Prepare the session of a connection without a transaction in progress for the block.

    Args:
        connection: whose session it is.
        lock: seconds that a statement may wait for a lock; 0 is no limit.
    """
    limits = dict.fromkeys(LIFTED, "0") | {"lock_timeout": str(milliseconds(lock))}
    names = [*limits, *SERVER_SETTINGS, CHECK_SETTING]
    with connection.begin():
        rows = connection.execute(READ, {"names": names}).all()
    before = {row.name: row.setting for row in rows}
    try:
        _set(connection, {name: limits[name] for name in limits if name in before})
        with connection.begin():
            connection.exec_driver_sql(watching_sql(CHECK))
        yield
    finally:
        if not (connection.invalidated or connection.closed):
            with suppress(DBAPIError):
                connection.rollback()
                _set(connection, before)


def end_session(engine: Engine, pid: int, *, schema: str | None, table: str) -> tuple[str, ...]:
    """End a session that holds the lock of migrations, from a second connection. Its own locks are
    free afterwards. Returns the revisions that the database is at.

    Args:
        engine: of the connection that has the session.
        pid: of the session. Nothing happens if it has lost the lock.
        schema: of the version table.
        table: its name.

    Raises:
        CommandError: there is no connection.
        DBAPIError: the server refuses.
    """

    def end(connection: Connection) -> tuple[str, ...]:
        holder = lock_holder(connection, schema)
        with connection.begin():
            if holder and holder.pid == pid:
                connection.execute(END, {"pid": pid})
            if not inspect(connection).has_table(table, schema):
                return ()
            versions = TableClause(table, column("version_num"), schema=schema)
            return tuple(connection.scalars(select(versions)))

    second = copy(engine)
    second.pool = engine.pool.recreate()  # the connection's may have no other to give
    return with_connection(second, end)


def _set(connection: Connection, values: Mapping[str, str]) -> None:
    calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in values.items())
    with connection.begin():
        connection.exec_driver_sql(f"SELECT {calls}")
