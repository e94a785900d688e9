"""Alembic's command line, with the options of this project's own commands."""

import sys
from argparse import Namespace
from configparser import InterpolationError, ParsingError
from typing import Any, NoReturn

from alembic.config import CommandLine, Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..errors import ConfigurationError
from .revision_files import UnreadableRevisionError
from .terminal import tell


def _flag(name: str, text: str) -> tuple[str, dict[str, Any]]:
    return name, {"action": "store_true", "help": text}


class DatabaseCommandLine(CommandLine):
    """Alembic's command line, with errors on stderr and 1 as their exit code."""

    _KWARGS_OPTS = CommandLine._KWARGS_OPTS | {
        "json": _flag("--json", "Print JSON"),
        "github": _flag("--github", "Annotate a run on GitHub"),
        "applied": _flag("--applied", "Go on though the database has the revisions applied"),
        "yes": _flag("--yes", "Do not ask"),
        "published": _flag("--published", "Go on though the revision is on the main branch"),
        "offline": _flag("--offline", "Do not look whether the database has it applied"),
        "downgrade": _flag(
            "--downgrade", "If its file is gone: bring it back from git to downgrade"
        ),
        "force": _flag("--force", "Go on though the database is not one for development"),
        "check": _flag("--check", "Write nothing; exit code 1 if the file is not current"),
        "revision": ("revision", {"nargs": "?", "help": "A revision (default: the head)"}),
        "revisions": (
            "revisions",
            {"nargs": "?", "help": "A range, from:to, in place of the new revisions"},
        ),
        "since": (
            "--since",
            {"metavar": "COMMIT", "help": "What is new since (default: the main branch)"},
        ),
        "target": (
            "target",
            {
                "nargs": "?",
                "default": "heads",
                "help": "What upgrade or downgrade take, or a range, from:to (default: heads)",
            },
        ),
        "history": _flag("--history", "Draw the revisions"),
        "output": ("--output", {"metavar": "FILE", "help": "A file: .mmd, .md or .svg"}),
        "ancestor": (
            "--to",
            {
                "dest": "ancestor",
                "metavar": "REVISION",
                "help": "If its file is gone: the revision that it followed",
            },
        ),
        "onto": (
            "--onto",
            {"metavar": "HEAD", "help": "Which head comes first (default: the main branch's)"},
        ),
        "models": _flag("--models", "Write models of the database's tables, and no revision"),
        "to": ("--to", {"metavar": "REVISION", "help": "The last one (default: the head)"}),
        "with_data": _flag("--with-data", "Carry over what changes rows, too"),
        "ignore": (
            "--ignore",
            {
                "metavar": "OBJECT",
                "action": "append",
                "help": "An object that may differ, such as 'extension pg_stat_*'",
            },
        ),
    }

    def run_cmd(self, config: Config, options: Namespace) -> None:
        """Run the command that was parsed into the options."""
        wants_traceback, options.raiseerr = options.raiseerr, True
        try:
            super().run_cmd(config, options)
        except (CommandError, ConfigurationError, UnreadableRevisionError) as error:
            if wants_traceback:
                raise
            _fail(str(error))
        except InterpolationError as error:
            if wants_traceback:
                raise
            from .errors import explain_interpolation_error

            _fail(explain_interpolation_error(error))
        except ParsingError as error:
            if wants_traceback:
                raise
            # Its text quotes the lines, which may hold a password.
            errors: Any = getattr(error, "errors", [(getattr(error, "lineno", "?"), "")])
            lines = ", ".join(str(number) for number, _ in errors)
            _fail(
                f"alembic.ini cannot be read: line {lines} is neither a [section] nor name = value."
            )
        except OSError as error:
            if wants_traceback:
                raise
            _fail(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
        except DBAPIError as error:
            if wants_traceback:
                raise
            from .errors import explain_refusal

            _fail(explain_refusal(error))
        except SQLAlchemyError as error:
            if wants_traceback:
                raise
            from .errors import explain_sqlalchemy_error

            _fail(explain_sqlalchemy_error(error))


def _fail(text: str) -> NoReturn:
    tell(f"FAILED: {text}")
    sys.exit(1)
