"""Alembic's command line, as `db` runs it."""

from argparse import Namespace
from collections.abc import Sequence

from alembic.config import CommandLine, Config

from alembic_live.alembic_ini import find_folders
from alembic_live.runtime.logs import LOG_FORMAT


def run_alembic(words: Sequence[str], log_format: str) -> None:
    """Run one of Alembic's commands. Errors are raised.

    Args:
        words: the options and the command.
        log_format: text or json.

    Raises:
        CommandError: the command failed.
    """

    class _CommandLine(CommandLine):
        def run_cmd(self, config: Config, options: Namespace) -> None:
            find_folders(config)
            config.attributes[LOG_FORMAT] = log_format
            super().run_cmd(config, options)

    _CommandLine(prog="db").main(["--raiseerr", *words])
