"""The log of a command: without secrets and without terminal control characters."""

import logging
import os
import sys
from configparser import Error as IniError
from copy import copy
from datetime import UTC, datetime
from logging.config import fileConfig
from types import TracebackType
from typing import Any, TextIO, cast

from alembic import context
from alembic.config import Config

from alembic_live.errors import ConfigurationError
from alembic_live.printable import as_json_line, one_line, printable
from alembic_live.runtime.events import event, failure_of
from alembic_live.terminal import (
    allow_progress,
    clear_progress,
    tell_failure,
    write_json,
    writes_json,
)

SECTIONS = ("loggers", "handlers", "formatters")
FORMAT = "%(asctime)s %(levelname)-5.5s [%(name)s] %(message)s"
TIME = "%Y-%m-%dT%H:%M:%S%z"

LOG_FORMAT = "alembic_live.log_format"  # the key in Config.attributes


def configure_logging(config: Config) -> None:
    """Set up the logging of alembic.ini if Alembic is the program. A program that calls Alembic keeps
    its logging.

    Raises:
        ConfigurationError: the logging sections of alembic.ini are wrong.
    """
    if config.cmd_opts is None:
        return
    _use_sections(config)
    if config.attributes.get(LOG_FORMAT) == "json":
        for handler in _handlers():
            handler.setFormatter(JsonFormatter())
    is_json = any(isinstance(each.formatter, JsonFormatter) for each in _handlers())
    if is_json:
        write_json()
    for handler in _handlers():
        if not isinstance(handler.formatter, Formatter | JsonFormatter):
            handler.setFormatter(Formatter(handler.formatter))
    sys.excepthook = show_exception
    stream = _Stream(sys.stdout, is_data=context.is_offline_mode())  # SQL is data
    if getattr(config.cmd_opts, "quiet", False):
        _leave_out_information()  # errors are only logged
    else:
        if not is_json:
            allow_progress()
        _show_errors_once(stream, is_json=is_json)
    messages = logging.getLogger("alembic.util.messaging")
    messages.addFilter(_with_failure)
    sys.stdout = cast(TextIO, stream)


def _use_sections(config: Config) -> None:
    """Use the logging sections of alembic.ini. Without any, log as a new project does."""
    if not any(map(config.file_config.has_section, SECTIONS)):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(FORMAT, TIME))
        logging.basicConfig(level=logging.WARNING, handlers=[handler])
        logging.getLogger("alembic").setLevel(logging.INFO)
        logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
        return
    assert config.config_file_name is not None
    try:
        fileConfig(config.config_file_name, disable_existing_loggers=False, encoding="utf-8")
    except (
        AttributeError,
        ImportError,
        KeyError,
        OSError,
        TypeError,
        ValueError,
        NameError,
        IniError,
    ) as error:
        missing = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise ConfigurationError(
            f"The logging sections of {config.config_file_name} cannot be used: {one_line(missing)}. "
            f"Correct them, or remove all of them: {', '.join(SECTIONS)}, logger_…, handler_… and "
            "formatter_…"
        ) from error


def _leave_out_information() -> None:
    """Log warnings and errors only, for --quiet."""
    for name in ("alembic", *logging.getLogger().manager.loggerDict):
        log = logging.getLogger(name)
        if name.partition(".")[0] == "alembic" and log.level < logging.WARNING:
            log.setLevel(logging.WARNING)


def record_failure(error: BaseException) -> None:
    """Remember an error, for the entry that Alembic writes about it. If a program has called Alembic,
    write the entry.
    """
    global _failure
    _failure = event("failed", **failure_of(error))
    log = logging.getLogger("alembic.migrations")
    if context.config.cmd_opts is None and log.hasHandlers():
        log.error("%s", error, extra=_failure)


_failure: dict[str, Any] = {}


def _with_failure(record: logging.LogRecord) -> bool:
    if record.levelno >= logging.ERROR:
        vars(record).update(_failure)
    return True


def _show_errors_once(stdout: "_Stream", *, is_json: bool) -> None:
    """Alembic prints its errors to stdout, besides logging them to stderr. One of the two is left out:
    the log entry if a terminal or a file gets both, else what goes to stdout. JSON has details.
    """
    log = logging.getLogger("alembic.util.messaging")
    if not is_json and (stdout.isatty() or _are_one_file(stdout, sys.stderr)):
        log.setLevel(logging.CRITICAL)
    elif log.isEnabledFor(logging.ERROR) and _reaches_stderr(log):

        def end_stdout(record: logging.LogRecord) -> bool:
            stdout.is_over |= record.levelno >= logging.ERROR
            return True

        log.addFilter(end_stdout)


def _are_one_file(one: Any, other: Any) -> bool:
    try:
        return os.path.samestat(os.fstat(one.fileno()), os.fstat(other.fileno()))
    except (OSError, ValueError):
        return False  # a stream without a file


def _reaches_stderr(log: logging.Logger | None) -> bool:
    """Whether a handler writes the entries of a logger to stderr."""
    if log is None:
        return False
    handlers = [each for each in log.handlers if isinstance(each, logging.StreamHandler)]
    if any(each.stream is sys.stderr and each.level <= logging.ERROR for each in handlers):
        return True
    return log.propagate and _reaches_stderr(log.parent)


def show_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback of an unhandled exception. For sys.excepthook."""
    if issubclass(kind, Exception):
        from alembic_live.runtime.tracebacks import (
            formatted,  # slow to import, and rarely needed
        )

        text = formatted(error.with_traceback(trace))
        if writes_json():
            tell_failure(f"{kind.__name__}: {error}", event("failed", traceback=text))
        else:
            print(text, end="", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _handlers() -> list[logging.Handler]:
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    return [each for one in loggers if isinstance(one, logging.Logger) for each in one.handlers]


class _Stream:
    """The stdout of a command. Alembic prints errors to it, and some of them are raised outside of
    env.py.
    """

    def __init__(self, plain: TextIO, *, is_data: bool) -> None:
        self._plain = plain
        self._is_data = is_data
        self.is_over = False  # whether nothing more is written

    def write(self, text: str) -> int:
        """Write the text. Control characters are escaped, unless the stream has data."""
        if not self.is_over:
            clear_progress()
            self._plain.write(text if self._is_data else printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


class Formatter(logging.Formatter):
    """Escapes the output of another formatter. Table names, revision ids and messages come from a
    database, and a line break in one of them must not start a new entry.
    """

    def __init__(self, plain: logging.Formatter | None) -> None:
        super().__init__()
        self._plain = plain or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """The entry. Lines after the first are indented."""
        clear_progress()  # the entry takes the place of a line of progress
        if record.exc_info or record.name.startswith("sqlalchemy"):  # it logs SQL
            record = _without_secrets(record)
        return printable(self._plain.format(record)).replace("\n", "\n    ")


class JsonFormatter(logging.Formatter):
    """Formats each entry as JSON on one line: time, level, logger, message, and what a record has
    beside them, such as event and revision. For the `class` of a formatter in alembic.ini.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The entry."""
        clear_progress()
        if record.exc_info or record.name.startswith("sqlalchemy"):  # it logs SQL
            record = _without_secrets(record)
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        more = {name: value for name, value in vars(record).items() if name not in _USUAL}
        if record.exc_text:
            more["traceback"] = record.exc_text
        return as_json_line(entry | more)


_USUAL = (*vars(logging.makeLogRecord({})), "message", "asctime", "taskName")


def _without_secrets(record: logging.LogRecord) -> logging.LogRecord:
    from alembic_live.runtime.tracebacks import formatted
    from alembic_live.sql.redaction import redacted  # slow to import, and rarely needed

    record = copy(record)
    record.msg, record.args = redacted(record.getMessage()), None
    if record.exc_info and record.exc_info[1]:
        record.exc_text = formatted(record.exc_info[1])
        record.exc_info = None
    return record
