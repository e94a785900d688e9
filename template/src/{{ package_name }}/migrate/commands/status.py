"""What `db status` shows."""

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...config import settings
from ...database.schema import SCHEMA
from ..connection import make_engine, with_connection
from ..errors import explain_refusal
from ..history import require_sound


def describe_database(config: Config) -> dict[str, str]:
    """The database of the settings, the version of its server, and its revision beside the head.

    Raises:
        CommandError: it cannot be reached.
        ConfigurationError: DB_* settings are missing.
    """

    def look(connection: Connection) -> tuple[str, tuple[str, ...]]:
        version: str = connection.exec_driver_sql("SHOW server_version").scalar_one()
        migration = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
        return version, migration.get_current_heads()

    address = settings.migration_address
    version, current = with_connection(make_engine(address, settings.migration_driver), look)
    script = ScriptDirectory.from_config(config)
    require_sound(script)
    heads = script.get_heads()
    if not heads:
        revision = "none; the project has no revisions yet"
    elif set(current) == set(heads):
        revision = f"{', '.join(current)} (head)"
    else:
        revision = f"{', '.join(current) or 'none'}; the head is {', '.join(heads)}"
    return {"database": str(address), "server": f"PostgreSQL {version}", "revision": revision}


def current_revisions() -> tuple[str, ...]:
    """The revisions that the database of the settings is at. It waits for nobody's lock for long.

    Raises:
        CommandError: it cannot be reached, or somebody has the version table to himself.
        ConfigurationError: DB_* settings are missing.
    """

    def look(connection: Connection) -> tuple[str, ...]:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '3s'")
        migration = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
        return migration.get_current_heads()

    engine = make_engine(settings.migration_address, settings.migration_driver)
    try:
        return with_connection(engine, look)
    except DBAPIError as error:
        raise CommandError(f"The version table cannot be read: {explain_refusal(error)}") from error
