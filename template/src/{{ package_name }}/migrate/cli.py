"""The `db` command: Alembic's own command line, with commands of this project added to it."""

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import NoReturn

from alembic.config import CommandLine, Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from ..errors import ConfigurationError
from ..paths import PROJECT_ROOT

# Commands import what they do when they run: every other one shares the command line with them.


def start(config: Config) -> None:
    """Start a local Postgres and create the database; what .env lacks is added to it."""
    _require_unix()
    from .local.development import start_server

    _say(config, start_server())


def stop(config: Config) -> None:
    """Stop the local Postgres; the data stay."""
    _require_unix()
    from .local.folder import stop_server

    _say(config, stop_server())


def status(config: Config) -> None:
    """Show the database that the settings lead to, its server and its revision."""
    from .commands.status import describe_database

    for name, value in describe_database(config).items():
        config.print_stdout(f"{name:<9} {value}")


def doctor(config: Config, json: bool = False) -> None:
    """Find out what is wrong between the service and its database; exit code 1 if anything is."""
    from json import dumps

    from .commands.doctor import examine

    findings = examine(config)
    ok = all(finding.ok for finding in findings)
    if json:
        result = {"ok": ok, "findings": [finding.as_dict() for finding in findings]}
        config.print_stdout(dumps(result, indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            mark = "ok   " if finding.ok else "WRONG"
            config.print_stdout("%s %-11s %s", mark, finding.check, finding.text)
    if not ok:
        sys.exit(1)


def roles(config: Config) -> None:
    """Print SQL for two roles: DB_MIGRATION_USER owns the tables, DB_USER reads and writes rows."""
    from .commands.roles import roles_sql

    config.print_stdout("%s", roles_sql())


def lint(
    config: Config,
    revisions: str | None = None,
    since: str | None = None,
    github: bool = False,
) -> None:
    """Find what is dangerous in new revisions; exit code 1 if anything is."""
    from .commands.lint import lint as look
    from .commands.lint import report

    linted = look(config, since=since, revisions=revisions)
    for line in report(linted, github=github):
        config.print_stdout("%s", line)
    if linted.findings:
        sys.exit(1)


def rebase(config: Config, onto: str | None = None, applied: bool = False) -> None:
    """Put your revisions behind those of the main branch, where both followed the same one."""
    from .commands.rebase import rebase as move

    _say(config, "\n".join(move(config, onto=onto, applied=applied)))


def record_head(config: Config) -> None:
    """Write the newest revision's id to migrations/head.txt, as every new revision does."""
    from .head_file import record_heads

    _say(config, f"migrations/head.txt: {record_heads().strip() or 'no revision yet'}")


def migrate(config: Config) -> None:
    """Bring the database to the newest revision; quickly done where it is there already."""
    from alembic.command import upgrade

    upgrade(config, "head")


def run() -> None:
    """Run the command of sys.argv."""
    if not Path("alembic.ini").exists():
        os.environ.setdefault("ALEMBIC_CONFIG", str(PROJECT_ROOT / "alembic.ini"))
    command_line = DatabaseCommandLine(prog="db")
    commands = (start, stop, status, migrate, doctor, roles, lint, rebase, record_head)
    for command in commands:
        command_line.register_command(command)
    try:
        command_line.main()
    except KeyboardInterrupt:
        sys.exit(130)  # what a shell reports for Ctrl-C


class DatabaseCommandLine(CommandLine):
    """Alembic's command line, with errors on stderr and 1 as their exit code."""

    _KWARGS_OPTS = CommandLine._KWARGS_OPTS | {
        "json": ("--json", {"action": "store_true", "help": "Print the findings as JSON"}),
        "revisions": (
            "revisions",
            {"nargs": "?", "help": "A range, from:to, in place of the new revisions"},
        ),
        "since": (
            "--since",
            {
                "metavar": "COMMIT",
                "help": "What revisions are new since (default: the main branch)",
            },
        ),
        "github": ("--github", {"action": "store_true", "help": "Annotate a run on GitHub"}),
        "onto": (
            "--onto",
            {"metavar": "HEAD", "help": "Which head comes first (default: the main branch's)"},
        ),
        "applied": (
            "--applied",
            {"action": "store_true", "help": "Go on though the database has the revisions applied"},
        ),
    }

    def run_cmd(self, config: Config, options: Namespace) -> None:
        """Run the command that was parsed into the options."""
        wants_traceback, options.raiseerr = options.raiseerr, True
        try:
            super().run_cmd(config, options)
        except (CommandError, ConfigurationError) as error:
            if wants_traceback:
                raise
            _fail(str(error))
        except DBAPIError as error:
            if wants_traceback:
                raise
            from .errors import explain_refusal

            _fail(explain_refusal(error))


def _fail(text: str) -> NoReturn:
    print(f"FAILED: {text}", file=sys.stderr)
    sys.exit(1)


def _require_unix() -> None:
    if sys.platform == "win32":
        raise CommandError(
            "A local server needs Linux or macOS. On Windows, copy .env.example to .env and run "
            "`docker compose up --wait`."
        )


def _say(config: Config, text: str) -> None:
    """Tell a person, on stderr: stdout is for data."""
    if not config.messaging_opts["quiet"]:
        print(text, file=sys.stderr)
