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
    if is_at_head(config_file):
        tell("The database is at the newest revision: nothing to do.")
        return 0
    from alembic_live.alembic_ini import add_to_path, target_in
    from alembic_live.commands.command_line import run_alembic

    add_to_path(config_file)  # Alembic itself takes the current folder
    target = target_in(config_file)
    quiet = ["--quiet"] if arguments.quiet else []
    words = [*quiet, "--config", str(config_file), "upgrade", target]
    run_alembic(words, arguments.log_format)
    return 0
