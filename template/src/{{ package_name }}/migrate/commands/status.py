"""What `db status` shows."""

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ...config import settings
from ...printable import one_line
from ..connection import make_engine, with_connection
from ..history import require_sound
from ..version_table import revisions_in


def describe_database(config: Config) -> dict[str, str]:
    """The database of the settings, the version of its server, and its revision beside the head.

    Raises:
        CommandError: it cannot be reached.
        ConfigurationError: DB_* settings are missing.
    """

    def look(connection: Connection) -> tuple[str, tuple[str, ...]]:
        version = connection.exec_driver_sql("SHOW server_version").scalar_one()
        return one_line(version, 100), tuple(map(one_line, revisions_in(connection)))

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
