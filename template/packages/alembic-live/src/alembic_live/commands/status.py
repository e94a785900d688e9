"""`db status`: show the database, its server version and its revision."""

from argparse import ArgumentParser, Namespace

from sqlalchemy import Connection

from alembic_live.history.graph import require_sound
from alembic_live.history.heads import effective_heads
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.version_table import read_revisions
from alembic_live.terminal import show


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    del parser


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    del arguments
    for name, value in describe_database(project).items():
        show(f"{name:<9} {value}")
    return 0


def describe_database(project: Project) -> dict[str, str]:
    """The project's database, the version of its server, and its revision compared with the head.

    Raises:
        CommandError: the database cannot be reached.
        ConfigurationError: settings are missing.
    """

    def read(connection: Connection) -> tuple[str, tuple[str, ...]]:
        current = tuple(map(one_line, read_revisions(project, connection)))
        version = connection.exec_driver_sql("SHOW server_version").scalar_one()
        is_standby = connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one()
        return one_line(version, 100) + (", a standby" if is_standby else ""), current

    address = project.migration_address
    version, current = with_connection(make_engine(address), read)
    script = project.script
    require_sound(script)
    heads = script.get_heads()
    at = ", ".join(current)
    if not heads:
        revision = "none; the project has no revisions yet"
    elif set(current) == effective_heads(script):
        revision = f"{at} (head)"
    elif len(heads) > 1:
        revision = f"{at or 'none'}; the heads are {', '.join(heads)}"
    else:
        revision = f"{at or 'none'}; the head is {', '.join(heads)}"
    return {"database": str(address), "server": f"PostgreSQL {version}", "revision": revision}
