"""The server session of a migration: its settings, its lock, and its end after a signal."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

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

from alembic_live.internals.sqlalchemy import with_own_pool
from alembic_live.keepalive import CHECK_SETTING, SERVER_SETTINGS, watching
from alembic_live.postgres.connection import with_connection
from alembic_live.postgres.pooler import require_own_session, require_same_session
from alembic_live.postgres.read_only import SETTINGS, why_read_only
from alembic_live.postgres.watchdog import limited
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
) -> Iterator[int]:
    """Hold the migration lock during the block, in a session without the timeouts of the role and
    whose server watches for its client. Yields the process id of the session.

    Args:
        project: the project, which has the limits.
        connection: a connection without a transaction.
        schema: the schema of the version table.
        pause: sleeps for a number of seconds.

    Raises:
        CommandError: another process holds the lock for too long, there is a pooler, or the server
            takes no changes.
    """
    limits = dict.fromkeys(LIFTED, "0") | {
        "lock_timeout": str(milliseconds(project.limits.lock_wait)),
        "row_security": "off",  # Postgres refuses a statement that would miss rows
    }
    names = [*limits, *SERVER_SETTINGS, CHECK_SETTING]
    with limited(connection), connection.begin():
        rows = connection.execute(READ, {"names": [*names, *SETTINGS]}).all()
    before = {row.name: row.setting for row in rows}
    session = rows[0].pid
    require_own_session(connection, session, project.migration_pooler)
    if reason := why_read_only(connection, *(before.pop(name, "") for name in SETTINGS)):
        raise CommandError(reason)
    lifted = _set({name: limits[name] for name in limits if name in before})
    with advisory_lock(
        connection,
        schema,
        timeout=project.limits.lock_timeout,
        pause=pause,
        first=f"{watching(CHECK)}, {lifted}",
        last=_set(before),
        setting=project.setting("lock_timeout"),
    ) as pid:
        require_same_session(connection, session, pid)
        yield pid


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
