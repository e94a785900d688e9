"""`db start`: start a local Postgres server and create the database."""

import sys
from argparse import ArgumentParser, Namespace

from alembic.util import CommandError

from alembic_live.project import Project
from alembic_live.terminal import tell


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    del parser


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    del arguments
    require_unix()
    from alembic_live.postgres.local.development import start_server

    tell(start_server(project))
    return 0


def require_unix() -> None:
    """
    Raises:
        CommandError: this is Windows, which the local server does not support.
    """
    if sys.platform == "win32":
        raise CommandError(
            "The local server needs Linux or macOS. On Windows use another server, such as Postgres in "
            "Docker: copy .env.example to .env, then `docker compose up --wait`."
        )
