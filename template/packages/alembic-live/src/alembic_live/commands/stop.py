"""`db stop`: stop the local Postgres server and keep its data."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from alembic_live.commands.start import require_unix
from alembic_live.terminal import tell


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    del parser


def run_in(config_file: Path, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    del arguments
    require_unix()
    from alembic_live.postgres.local.development import stop_server

    tell(stop_server(config_file.parent))
    return 0
