"""The `db` command: Alembic's own command line, with commands of this project added to it."""

import os
import sys
from argparse import Namespace
from pathlib import Path

from alembic.config import CommandLine, Config
from alembic.util import CommandError

from ..errors import ConfigurationError
from ..paths import PROJECT_ROOT
from .local.commands import start, status, stop


def main() -> None:
    """Run the command. Exit codes: 0 done, 1 failed or found something, 2 wrong usage."""
    if not Path("alembic.ini").exists():
        os.environ.setdefault("ALEMBIC_CONFIG", str(PROJECT_ROOT / "alembic.ini"))
    command_line = DatabaseCommandLine(prog="db")
    for command in (start, stop, status):
        command_line.register_command(command)
    try:
        command_line.main()
    except KeyboardInterrupt:
        sys.exit(130)  # what a shell reports for Ctrl-C


class DatabaseCommandLine(CommandLine):
    """Alembic's command line, with errors on stderr and 1 as their exit code."""

    def run_cmd(self, config: Config, options: Namespace) -> None:
        """Run the command that was parsed into the options."""
        wants_traceback, options.raiseerr = options.raiseerr, True
        try:
            super().run_cmd(config, options)
        except (CommandError, ConfigurationError) as error:
            if wants_traceback:
                raise
            print(f"FAILED: {error}", file=sys.stderr)
            sys.exit(1)
