"""Detects poolers. A pooler between client and server can share a session between clients."""

from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection

from alembic_live.postgres.remedies import ORIGIN, without_pooler
from alembic_live.postgres.watchdog import limited

PID = "SELECT pg_backend_pid()"


def require_own_session(connection: Connection, pooler: str, pid: int | None = None) -> None:
    """Check that no pooler shares the session. In transaction mode, the session's locks and
    settings would stay with the pooler. The client cannot detect the mode, so the project must name
    it.

    Args:
        connection: a connection without a transaction.
        pooler: the mode that the project names.
        pid: the process id of the session, if an earlier query has asked for it.

    Raises:
        CommandError: there is a pooler, and the project does not name session mode.
    """
    if pooler != "session" and is_pooled(connection, pid):
        raise CommandError(
            "Migrations would go through a pooler. In transaction mode, the lock that excludes "
            f"other migrations does not work. {advice(connection)}"
        )


def require_same_session(connection: Connection, pid: int, current_pid: int) -> None:
    """Check that the pooler has not changed the session.

    Raises:
        CommandError: it has, so another session holds the lock.
    """
    if current_pid != pid:
        raise CommandError(
            f"A pooler changed the session during the migration, from pid {pid} to {current_pid}: "
            "it is in transaction mode. The first session holds the migration lock until it ends "
            f"(SELECT pg_terminate_backend({pid})). {advice(connection)}"
        )


def is_pooled(connection: Connection, pid: int | None = None) -> bool:
    """Whether there is a pooler. It sends its clients a process id that is not the session's.

    Args:
        connection: the connection.
        pid: the process id of the session, if an earlier query has asked for it.
    """
    if pid is None:
        with limited(connection), connection.begin():
            pid = connection.exec_driver_sql(PID).scalar_one()
    return _announced_pid(connection) not in (None, pid)


def advice(connection: Connection) -> str:
    """How to connect migrations without a pooler."""
    origin = connection.engine.get_execution_options().get(ORIGIN, "the URL of the engine")
    return without_pooler(origin)


def _announced_pid(connection: Connection) -> int | None:
    """The process id that the client received when it connected. None if the driver is unknown."""
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
