"""The log of a command: without secrets and without terminal control characters."""

import logging
import os
import sys
from copy import copy
from logging.config import fileConfig
from types import TracebackType
from typing import Any, TextIO, cast

from alembic import context
from alembic.config import Config

from alembic_live.printable import printable
from alembic_live.terminal import allow_progress, clear_progress


def configure_logging(config: Config) -> None:
    """Set up the logging of alembic.ini if Alembic is the program. A program that calls Alembic keeps
    its logging.
    """
    if config.cmd_opts is None:
        return
    if config.config_file_name is not None:
        fileConfig(config.config_file_name, disable_existing_loggers=False, encoding="utf-8")
    for handler in _handlers():
        if not isinstance(handler.formatter, Formatter):
            handler.setFormatter(Formatter(handler.formatter))
    sys.excepthook = show_exception
    allow_progress()
    stream = _Stream(sys.stdout, is_data=context.is_offline_mode())  # SQL is data
    if not getattr(config.cmd_opts, "quiet", False):  # with it, they are only logged
        _show_errors_once(stream)
    sys.stdout = cast(TextIO, stream)


def _show_errors_once(stdout: "_Stream") -> None:
    """Alembic prints its errors to stdout, besides logging them to stderr. One of the two is left out:
    the log entry if a terminal or a file gets both, else what goes to stdout.
    """
    log = logging.getLogger("alembic.util.messaging")
    if stdout.isatty() or _are_one_file(stdout, sys.stderr):
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

        print(formatted(error.with_traceback(trace)), end="", file=sys.stderr)
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


def _without_secrets(record: logging.LogRecord) -> logging.LogRecord:
    from alembic_live.runtime.tracebacks import formatted
    from alembic_live.sql.redaction import redacted  # slow to import, and rarely needed

    record = copy(record)
    record.msg, record.args = redacted(record.getMessage()), None
    if record.exc_info and record.exc_info[1]:
        record.exc_text = formatted(record.exc_info[1])
        record.exc_info = None
    return record
