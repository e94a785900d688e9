"""The server session of a migration: its settings, its lock, and its end after a signal."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from alembic.util import CommandError
from sqlalchemy import (
    Connection,
    Engine,
    TableClause,
    bindparam,
    column,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from alembic_live.internals.sqlalchemy import with_own_pool
from alembic_live.keepalive import CHECK_SETTING, SERVER_SETTINGS, watching_sql
from alembic_live.postgres.connection import with_connection
from alembic_live.postgres.pooler import require_own_session, require_same_session
from alembic_live.postgres.read_only import SETTINGS, why_read_only
from alembic_live.project import Project
from alembic_live.runtime.lock import advisory_lock, lock_holder
from alembic_live.runtime.timeouts import milliseconds

# The role or the database may limit these for the service's short transactions. They would end a
# migration in the middle. Older servers lack some of them.
LIFTED = (
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)

CHECK = 1.0  # seconds after which the server notices a killed client during a statement

READ = text(
    "SELECT name, setting, pg_backend_pid() AS pid FROM pg_settings WHERE name IN :names"
).bindparams(bindparam("names", expanding=True))

END = text("SELECT pg_terminate_backend(:pid, 500)")  # milliseconds to wait


@contextmanager
def locked_session(
    project: Project,
    connection: Connection,
    schema: str | None,
    *,
    pause: Callable[[float], None],
    pid: int | None = None,
) -> Iterator[int]:
    """Prepare the session for a migration, and hold the migration lock during the block. Yields the
    process id of the session.

    Args:
        project: the project, which has the limits.
        connection: a connection without a transaction.
        schema: the schema of the version table.
        pause: sleeps for a number of seconds.
        pid: the process id of the session, if an earlier query has asked for it.

    Raises:
        CommandError: another process holds the lock for too long, or there is a pooler.
    """
    require_own_session(connection, project.migration_pooler, pid)
    with (
        advisory_lock(
            connection,
            schema,
            timeout=project.limits.lock_timeout,
            pause=pause,
            setting=project.setting("lock_timeout"),
        ) as locked_pid,
        migrating_session(connection, locked_pid, lock_wait=project.limits.lock_wait),
    ):
        yield locked_pid


@contextmanager
def migrating_session(connection: Connection, pid: int, *, lock_wait: float) -> Iterator[None]:
    """Lift the timeouts of a session during the block, and let the server watch for its client.

    Args:
        connection: a connection without a transaction.
        pid: the process id of its session, which holds the migration lock.
        lock_wait: seconds that a statement may wait for a lock; 0 is no limit.

    Raises:
        CommandError: a pooler has changed the session, or the server takes no changes.
    """
    limits = dict.fromkeys(LIFTED, "0") | {
        "lock_timeout": str(milliseconds(lock_wait)),
        "row_security": "off",  # Postgres refuses a statement that would miss rows
    }
    names = [*limits, *SERVER_SETTINGS, CHECK_SETTING]
    with connection.begin():
        rows = connection.execute(READ, {"names": [*names, *SETTINGS]}).all()
        require_same_session(connection, pid, rows[0].pid)
        before = {row.name: row.setting for row in rows}
        if reason := why_read_only(connection, *(before.pop(name, "") for name in SETTINGS)):
            raise CommandError(reason)
        lifted = _set({name: limits[name] for name in limits if name in before})
        connection.exec_driver_sql(f"{watching_sql(CHECK)}, {lifted}")
    try:
        yield
    finally:
        if not (connection.invalidated or connection.closed):
            with suppress(DBAPIError):
                connection.rollback()
                with connection.begin():
                    connection.exec_driver_sql(f"SELECT {_set(before)}")


def end_session(engine: Engine, pid: int, *, schema: str | None, table: str) -> tuple[str, ...]:
    """End a session that holds the migration lock, from a second connection, which frees all its
    locks. Return the current revisions of the database.

    Args:
        engine: the engine of the session.
        pid: the process id of the session. Nothing happens if it has lost the lock.
        schema: the schema of the version table.
        table: the name of the version table.

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

    return with_connection(with_own_pool(engine), end)


def _set(values: Mapping[str, str]) -> str:
    return ", ".join(f"set_config('{name}', '{value}', false)" for name, value in values.items())
