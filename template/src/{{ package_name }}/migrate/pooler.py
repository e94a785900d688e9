"""Finds out whether a pooler stands in between, which may lend one session to many clients."""

from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection

from .watchdog import limited

PID = "SELECT pg_backend_pid()"

WHAT_TO_DO = (
    "Set DB_MIGRATION_HOST and DB_MIGRATION_PORT to the Postgres server itself; or, if the pooler "
    "is in session mode, set DB_POOLER=session."
)


def require_own_session(connection: Connection, pooler: str) -> None:
    """In transaction mode a lock of the session, or a setting, would stay in the pooler's session
    behind this client. Which mode it is cannot be seen from here, so it has to be said.

    Args:
        connection: without a transaction in progress.
        pooler: DB_POOLER.

    Raises:
        CommandError: there is a pooler, and nobody has said that it is in session mode.
    """
    if pooler != "session" and is_pooled(connection):
        raise CommandError(
            "Migrations would go through a pooler. In transaction mode the lock that keeps them "
            f"apart would not hold. {WHAT_TO_DO}"
        )


def require_same_session(pid: int, now: int) -> None:
    """
    Raises:
        CommandError: the session has changed, so that the lock is in another one.
    """
    if now != pid:
        raise CommandError(
            f"A pooler has changed the session in the middle of the migration, from pid {pid} to "
            f"{now}: it is in transaction mode. The lock of migrations stays in the first one "
            f"until it ends (SELECT pg_terminate_backend({pid})). {WHAT_TO_DO}"
        )


def is_pooled(connection: Connection) -> bool:
    """Whether there is a pooler: it tells its clients another process id than the session has."""
    with limited(connection), connection.begin():
        session: int = connection.exec_driver_sql(PID).scalar_one()
    return _announced_pid(connection) not in (None, session)


def _announced_pid(connection: Connection) -> int | None:
    """The process id that the client was told when it connected; None if the driver is unknown."""
    driver_connection: Any = connection.connection.driver_connection
    match connection.dialect.driver:
        case "asyncpg":
            pid = driver_connection.get_server_pid()
        case "psycopg" | "psycopg_async":
            pid = driver_connection.info.backend_pid
        case "psycopg2":
            pid = driver_connection.get_backend_pid()
        case _:
            return None
    return int(pid)
