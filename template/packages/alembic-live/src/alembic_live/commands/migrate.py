"""`db migrate`: upgrade to the head revision, or to all heads."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from alembic_live.runtime.fast_path import is_at_head
from alembic_live.terminal import tell


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    del parser


def run_in(config_file: Path, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    del arguments
    if is_at_head(config_file):
        tell("The database is at the newest revision: nothing to do.")
        return 0
    from alembic.config import CommandLine

    from alembic_live.alembic_ini import add_to_path, target_in

    add_to_path(config_file)  # Alembic itself takes the current folder
    target = target_in(config_file)
    CommandLine(prog="db").main(["--raiseerr", "--config", str(config_file), "upgrade", target])
    return 0
