"""The log of a command: without secrets and without terminal control characters."""

import logging
import sys
from copy import copy
from logging.config import fileConfig
from types import TracebackType
from typing import Any, TextIO, cast

from alembic import context
from alembic.config import Config

from alembic_live.printable import printable


def configure_logging(config: Config) -> None:
    """Set up the logging of alembic.ini if Alembic is the program. A program that calls Alembic keeps
    its logging.
    """
    if config.cmd_opts is None:
        return
    if config.config_file_name is not None:
        fileConfig(config.config_file_name, disable_existing_loggers=False, encoding="utf-8")
        if sys.stdout.isatty():  # Alembic prints errors besides logging them
            logging.getLogger("alembic.util.messaging").setLevel(logging.CRITICAL)
    for handler in _handlers():
        if not isinstance(handler.formatter, Formatter):
            handler.setFormatter(Formatter(handler.formatter))
    sys.excepthook = show_exception
    if not context.is_offline_mode():  # its SQL is data
        sys.stdout = cast(TextIO, _Stream(sys.stdout))


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
    """A stream for the errors that Alembic prints. Some of them are raised outside of env.py."""

    def __init__(self, plain: TextIO) -> None:
        self._plain = plain

    def write(self, text: str) -> int:
        """Write the text with its control characters escaped."""
        self._plain.write(printable(text))
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
