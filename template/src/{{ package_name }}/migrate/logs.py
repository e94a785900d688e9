"""How the log of a command is shown: without secrets, and without what a terminal would obey."""

import logging
import sys
from copy import copy
from logging.config import fileConfig
from types import TracebackType
from typing import Any, TextIO, cast

from alembic import context
from alembic.config import Config

from ..printable import printable


def configure_logging(config: Config) -> None:
    """Log as alembic.ini says where Alembic is the program; a program that calls it has its own
    logging, which is left as it is.
    """
    if config.cmd_opts is None:
        return
    if config.config_file_name is not None:
        fileConfig(config.config_file_name, disable_existing_loggers=False, encoding="utf-8")
        if sys.stdout.isatty():  # where Alembic prints what it logs as an error too
            logging.getLogger("alembic.util.messaging").setLevel(logging.CRITICAL)
    for handler in _handlers():
        if not isinstance(handler.formatter, Formatter):
            handler.setFormatter(Formatter(handler.formatter))
    sys.excepthook = show_exception
    if not context.is_offline_mode():  # whose SQL is data
        sys.stdout = cast(TextIO, _Stream(sys.stdout))


def show_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """For sys.excepthook: print the traceback of what ends the program."""
    if issubclass(kind, Exception):
        from .tracebacks import formatted  # costs time, and is seldom needed

        print(formatted(error.with_traceback(trace)), end="", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _handlers() -> list[logging.Handler]:
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    return [each for one in loggers if isinstance(one, logging.Logger) for each in one.handlers]


class _Stream:
    """A stream that Alembic prints its errors to, some of which are not made in env.py."""

    def __init__(self, plain: TextIO) -> None:
        self._plain = plain

    def write(self, text: str) -> int:
        """Write what can be shown of the text."""
        self._plain.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


class Formatter(logging.Formatter):
    """Shows what another formatter makes of a record. Table names, revision ids and messages come from
    a database; a line break in one of them does not make a new entry.
    """

    def __init__(self, plain: logging.Formatter | None) -> None:
        super().__init__()
        self._plain = plain or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """One entry; further lines are indented."""
        if record.exc_info or record.name.startswith("sqlalchemy"):  # which logs SQL
            record = _without_secrets(record)
        return printable(self._plain.format(record)).replace("\n", "\n    ")


def _without_secrets(record: logging.LogRecord) -> logging.LogRecord:
    from .redaction import redacted  # costs time, and is seldom needed
    from .tracebacks import formatted

    record = copy(record)
    record.msg, record.args = redacted(record.getMessage()), None
    if record.exc_info and record.exc_info[1]:
        record.exc_text = formatted(record.exc_info[1])
        record.exc_info = None
    return record
