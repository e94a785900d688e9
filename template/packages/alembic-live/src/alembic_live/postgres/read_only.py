"""Servers and sessions that take no changes: a standby, and a role or database that is read-only."""

from sqlalchemy import Connection

from alembic_live.postgres.remedies import ORIGIN, remedy

# Whether transactions are read-only, and whether that is because of a standby. Each is "on" or "off".
SETTINGS = ("transaction_read_only", "in_hot_standby")


def why_read_only(connection: Connection, transaction_read_only: str, in_hot_standby: str) -> str:
    """Why a session can change nothing, and what to do. Empty if it can.

    Args:
        connection: the connection, whose engine knows where its address is set.
        transaction_read_only: the setting of that name. https://www.postgresql.org/docs/current/hot-standby.html
        in_hot_standby: the setting of that name.
    """
    if transaction_read_only != "on":
        return ""
    if in_hot_standby == "on":
        origin = connection.engine.get_execution_options().get(ORIGIN, "the URL of the engine")
        return f"The server is a standby, which takes no changes. {remedy('primary', origin)}"
    return (
        "Transactions are read-only, because the role, the database or the server sets "
        "default_transaction_read_only. Migrate with a role that has it off: ALTER ROLE … SET "
        "default_transaction_read_only = off"
    )
