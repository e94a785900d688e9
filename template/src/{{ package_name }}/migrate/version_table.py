"""The version table: at which revisions a database is."""

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from ..database.schema import SCHEMA
from .connection import make_engine, with_connection


def revisions_in(connection: Connection) -> tuple[str, ...]:
    """Those that the database of a connection is at: none, one, or one of each branch."""
    migration = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
    found = migration.get_current_heads()
    connection.rollback()
    return found


def current_revisions() -> tuple[str, ...]:
    """Those that the database of the settings is at.

    Raises:
        CommandError: it cannot be reached.
        ConfigurationError: DB_* settings are missing.
    """
    from ..config import settings

    engine = make_engine(settings.migration_address, settings.migration_driver)
    return with_connection(engine, revisions_in)
