"""The version table: at which revisions a database is."""

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..database.schema import SCHEMA
from .connection import make_engine, with_connection
from .errors import explain_refusal


def revisions_in(connection: Connection) -> tuple[str, ...]:
    """Those that the database of a connection is at: none, one, or one of each branch."""
    migration = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
    found = migration.get_current_heads()
    connection.rollback()
    return found


def current_revisions() -> tuple[str, ...]:
    """Those that the database of the settings is at. It waits for nobody's lock for long.

    Raises:
        CommandError: it cannot be reached, or somebody has the version table to himself.
        ConfigurationError: DB_* settings are missing.
    """
    from ..config import settings

    def look(connection: Connection) -> tuple[str, ...]:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '3s'")
        return revisions_in(connection)

    engine = make_engine(settings.migration_address, settings.migration_driver)
    try:
        return with_connection(engine, look)
    except DBAPIError as error:
        raise CommandError(f"The version table cannot be read: {explain_refusal(error)}") from error
