"""The `db` command: Alembic's commands and the library's own."""

import os
import signal
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from configparser import InterpolationError, ParsingError
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType

from alembic_live.alembic_ini import (
    add_to_path,
    find_config_file,
    installed_config_files,
    why_unreadable,
)
from alembic_live.errors import ConfigurationError
from alembic_live.interruption import Stopped, ended_by_signals, stopped_by_signals
from alembic_live.project import config_of, load_project
from alembic_live.terminal import end_stdout

# For each command, its module and its help text. A module is imported only when its command runs.
COMMANDS = {
    "start": ("start", "Start a local Postgres server and create the database."),
    "stop": ("stop", "Stop the local Postgres server and keep its data."),
    "reset": ("reset", "Drop the local database and recreate it at the newest revision."),
    "migrate": ("migrate", "Upgrade to the newest revision; fast if nothing is pending."),
    "status": ("status", "Show the database, its server version and its revision."),
    "doctor": ("doctor", "Check the settings, the connection, the roles and the revisions."),
    "plan": (
        "plan.command",
        "Rehearse an upgrade or downgrade on a scratch database, and show what it does.",
    ),
    "lint": ("lint.command", "Find dangerous statements in new revisions."),
    "statistics": ("statistics", "Print the sizes of the tables, for plans without a database."),
    "drift": ("drift", "Compare the database with the schema that its revisions create."),
    "schema": ("schema", "Write the schema that the revisions create to schema.sql."),
    "graph": ("graph.command", "Draw the tables or the revisions as a Mermaid diagram."),
    "rebase": ("rebase", "Move your revisions after those of the main branch."),
    "remove": ("remove.command", "Remove a revision from the files and from the database."),
    "squash": ("squash.command", "Replace old revisions with one that creates the same schema."),
    "baseline": ("baseline.command", "Write the first revision for an existing database."),
    "roles": ("roles", "Print SQL that creates a role for migrations and one for the application."),
    "record_head": (
        "record_head",
        "Write the newest revision to head.txt. `revision` does this by itself.",
    ),
}

DEVELOPMENT = ("dotenv", "psutil", "pytest")  # modules that the extra `dev` brings

LOG_FORMATS = ("text", "json")

DATA = ("json", "markdown", "sarif")  # options for data on stdout

OPTIONS_WITH_A_VALUE = ("-c", "--config", "-n", "--name", "-x", "--log-format")


def main() -> None:
    """Run the command in sys.argv. Exits with 0 for success, 1 for a failure or a finding, 2 for
    wrong usage, 129, 130 or 143 for a signal, and
    141 if the reader of stdout has ended, such as `head`.
    """
    command = _command_in(sys.argv[1:])
    ends_by_signal = command in ("migrate", "upgrade", "downgrade", "stamp")
    try:
        if ends_by_signal:
            with ended_by_signals():
                code = run(sys.argv[1:])
        else:
            stopped_by_signals()
            code = run(sys.argv[1:])
        sys.stdout.flush()
    except Stopped as stopped:
        code = _say_stopped(stopped)
    except KeyboardInterrupt:
        code = _say_stopped(Stopped(signal.SIGINT))
    except BrokenPipeError:
        code = end_stdout()
    sys.exit(code)


def _say_stopped(stopped: Stopped) -> int:
    """Say it on stderr, if that still exists. Return the exit code."""
    with suppress(OSError):
        print(stopped.text, file=sys.stderr, flush=True)
    return stopped.code


def run(words: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    command = _command_in(words)
    if command is not None and command not in COMMANDS:
        return _run_alembic(*_without_log_format(words))
    with _failures(wants_traceback="--raiseerr" in words):
        parser = _parser(command)
        arguments = parser.parse_args(words)
        if command is None:
            parser.print_help()
            return 2
        return _run(arguments)
    return 1


def _run(arguments: Namespace) -> int:
    from alembic_live.terminal import be_quiet, only_data_on_stdout, write_json

    if arguments.quiet:
        be_quiet()
    if arguments.log_format == "json":
        write_json()
    config_file = _config_file(arguments.config, getattr(arguments, "revision_file", None))
    module: ModuleType = arguments.module
    if hasattr(module, "run_in"):
        return int(module.run_in(config_file, arguments))
    prints_data = any(getattr(arguments, name, False) for name in DATA)
    with only_data_on_stdout() if prints_data else nullcontext():
        return int(module.run(load_project(config_file), arguments))


def _parser(command: str | None) -> ArgumentParser:
    """The parser for one command, or for the help of all commands."""
    parser = ArgumentParser(
        prog="db",
        formatter_class=RawDescriptionHelpFormatter,
        epilog="Alembic's commands work too, such as: db upgrade head. They are: check, current, "
        "downgrade, heads, history, merge, revision, stamp, upgrade and others (alembic --help).",
    )
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="Alternate config file; defaults to ALEMBIC_CONFIG, the nearest alembic.ini in this "
        "folder or above it, or that of the installed service.",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="Do not print messages.")
    _add_log_format(parser)
    parser.add_argument("--raiseerr", action="store_true", help="Show a traceback for every error.")
    parser.add_argument("--version", action="version", version=_Version("%(prog)s"))
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, (path, help_) in COMMANDS.items():
        if command not in (None, name):
            continue
        one = commands.add_parser(name, help=help_, description=help_)
        if command == name:
            module = import_module(f"alembic_live.commands.{path}")
            module.add_arguments(one)
            one.set_defaults(module=module)
    return parser


def _add_log_format(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--log-format",
        choices=LOG_FORMATS,
        default="text",
        help="Log as text, or each entry as JSON on one line.",
    )


def _without_log_format(words: Sequence[str]) -> tuple[list[str], str]:
    """The words for Alembic, which has no such option, and the format."""
    rest: list[str] = []
    own: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word == "--log-format":
            own += [word, *islice(waiting, 1)]
        elif word.startswith("--log-format="):
            own.append(word)
        else:
            rest.append(word)
    parser = ArgumentParser(prog="db", add_help=False)
    _add_log_format(parser)
    return rest, parser.parse_args(own).log_format


class _Version(str):
    """The versions, looked up when argparse formats the text: the lookup is slow."""

    __slots__ = ()

    def __mod__(self, _values: object) -> str:
        from importlib.metadata import version

        return f"alembic-live {version('alembic-live')}, Alembic {version('alembic')}"


def _command_in(words: Sequence[str]) -> str | None:
    """The first word that is neither an option nor an option's value."""
    waiting = iter(words)
    for word in waiting:
        if word in OPTIONS_WITH_A_VALUE:
            next(waiting, None)
        elif not word.startswith("-"):
            return word
    return None


def _named_in(words: Sequence[str]) -> str | None:
    """The alembic.ini that the options of a command name."""
    for number, word in enumerate(words):
        if word in ("-c", "--config"):
            return next(iter(words[number + 1 :]), None)
        if word.startswith("--config="):
            return word.removeprefix("--config=")
        if word.startswith("-c") and not word.startswith("--"):
            return word.removeprefix("-c")
    return None


def _config_file(named: str | None, revision_file: str | None = None) -> Path:
    """The alembic.ini that is named, or the nearest one: of a revision's file, if there is one, else
    of the current folder, else of the service that is installed.

    Raises:
        ConfigurationError: there is no alembic.ini.
    """
    name = named or os.environ.get("ALEMBIC_CONFIG")
    if name:
        if not Path(name).is_file():
            raise ConfigurationError(f"Config file {name} does not exist.")
        return Path(name).resolve()
    try:
        folder = Path.cwd()
    except FileNotFoundError:
        raise ConfigurationError("The current folder no longer exists.") from None
    found = revision_file and find_config_file(Path(revision_file).resolve().parent)
    found = found or find_config_file(folder)
    return found or _installed_config_file(folder)


def _installed_config_file(folder: Path) -> Path:
    """The alembic.ini of the service that is installed."""
    installed = installed_config_files()
    if len(installed) == 1:
        [found] = installed.values()
        return found
    several = "".join(
        f" {package} is installed: db -c {path} …" for package, path in installed.items()
    )
    raise ConfigurationError(
        f"There is no alembic.ini in {folder} or above it. Run the command in a project's "
        f"folder, or name the file: db -c path/to/alembic.ini …{several}"
    )


def _run_alembic(words: Sequence[str], log_format: str) -> int:
    """Run one of Alembic's commands. Errors go to stderr."""
    from alembic_live.commands.command_line import run_alembic
    from alembic_live.terminal import write_json

    if log_format == "json":
        write_json()
    wants_traceback = "--raiseerr" in words
    named = _named_in(words)
    config_file = None
    with _failures(wants_traceback=wants_traceback):
        if not {"-h", "--help"} & set(words):
            config_file = _config_file(named)
            add_to_path(config_file)  # Alembic itself takes the current folder
            words = words if named else [*_options(config_file), *words]
        try:
            run_alembic(words, log_format)
        except Exception as error:
            if config_file:
                _explain_with_the_history(config_file, _command_in(words), error)
            raise
        return 0
    return 1


def _options(config_file: Path) -> list[str]:
    """The options that name an alembic.ini, and the pyproject.toml beside it."""
    beside = config_file.with_name("pyproject.toml")
    files = [config_file, beside] if beside.is_file() else [config_file]
    return [f"--config={file}" for file in files]


def _explain_with_the_history(config_file: Path, command: str | None, error: Exception) -> None:
    """Explain an error of a command that does not run env.py.

    Raises:
        CommandError: a revision cannot be loaded, or there are several heads; the text names the file
            or says what to do.
    """
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    from alembic_live.history.graph import require_sound
    from alembic_live.history.heads import advice_on
    from alembic_live.internals.alembic import is_about_several_heads

    script = ScriptDirectory.from_config(config_of(config_file))
    if _sentence(error) is None:
        require_sound(script)
    if is_about_several_heads(error):
        heads = ", ".join(script.get_heads())
        raise CommandError(
            f"The history has several heads, {heads}, so the command cannot choose. "
            f"{advice_on(script, command)}"
        ) from error


@contextmanager
def _failures(*, wants_traceback: bool) -> Iterator[None]:
    """Print an error that the user can correct to stderr, without a traceback, and leave the block."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of stdout has ended
    except Exception as error:
        text = None if wants_traceback else _sentence(error)
        if text is None:
            raise
        from alembic_live.runtime.events import event, failure_of
        from alembic_live.terminal import tell_failure

        tell_failure(text, event("failed", **failure_of(error)))


def _sentence(error: Exception) -> str | None:
    """The message for an error that the user can correct; None for a bug."""
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    from alembic_live.history.files import UnreadableRevisionError
    from alembic_live.internals.alembic import relative_target_of
    from alembic_live.runtime.explanations import explain_too_few_revisions

    if relative := relative_target_of(error):
        return explain_too_few_revisions(relative)
    if isinstance(error, CommandError | ConfigurationError | UnreadableRevisionError):
        return str(error)
    if isinstance(error, InterpolationError):
        from alembic_live.postgres.explanations import explain_interpolation_error

        return explain_interpolation_error(error)
    if isinstance(error, ParsingError):
        return f"alembic.ini cannot be read: {why_unreadable(error)}."
    if isinstance(error, ModuleNotFoundError) and error.name in DEVELOPMENT:
        return (
            f"{error.name} is not installed. This command needs the development dependencies: uv add "
            "--dev 'alembic-live[dev]'"
        )
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
    if isinstance(error, DBAPIError):
        from alembic_live.postgres.explanations import explain_refusal

        return explain_refusal(error)
    if isinstance(error, SQLAlchemyError):
        from alembic_live.postgres.explanations import explain_sqlalchemy_error

        return explain_sqlalchemy_error(error)
    return None
