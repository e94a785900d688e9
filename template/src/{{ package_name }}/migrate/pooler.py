"""Finds out whether a pooler stands in between that lends one session to many clients."""

from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection

PID = "SELECT pg_backend_pid()"


def require_no_transaction_pooler(connection: Connection) -> None:
    """A lock of a session, or a setting, would stay in the pooler's session after this client.

    Raises:
        CommandError: the pooler changes sessions between transactions.
    """
    if is_transaction_pooled(connection):
        raise CommandError(
            "Migrations would go through a pooler in transaction mode, where the lock that keeps "
            "them apart does not hold. Set DB_MIGRATION_HOST and DB_MIGRATION_PORT to the Postgres "
            "server itself (or to a pool in session mode)."
        )


def is_transaction_pooled(connection: Connection) -> bool:
    """Whether the server's session may be another one in the next transaction.

    A pooler tells its clients another process id than the session has. In session mode that
    session is nevertheless theirs alone; in transaction mode a second client gets it while the
    first one is idle.
    """
    session = _backend_pid(connection)
    if _announced_pid(connection) in (None, session):
        return False
    with connection.engine.connect() as other:
        other_session: int = other.exec_driver_sql(PID).scalar_one()
        return other_session == session or _backend_pid(connection) != session


def _backend_pid(connection: Connection) -> int:
    with connection.begin():
        pid: int = connection.exec_driver_sql(PID).scalar_one()
    return pid


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
