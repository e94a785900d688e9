"""Tracebacks without secrets. A driver's error quotes the statement; a traceback quotes the source."""

from collections.abc import Iterator
from itertools import islice
from linecache import getlines
from traceback import format_exception
from types import TracebackType
from typing import Any

from alembic.util import CommandError
from sqlalchemy.exc import StatementError

from alembic_live.postgres.explanations import row_quoted_by, sql_around
from alembic_live.printable import printable
from alembic_live.sql.redaction import redacted, redacted_message, source_may_hold_a_secret


def scrub(error: BaseException) -> None:
    """Remove the secrets from an error and from its causes. A log shows their texts and the source
    line of each frame.
    """
    for each in _chain(error):
        _leave_out_frames(each)
        if isinstance(each, StatementError):
            statement = each.statement
            about = [statement, *(sql for e in _chain(each) for sql in sql_around(e))]
            rows = [row for e in _chain(each) if (row := row_quoted_by(e))]
            for inner in _chain(each):
                _scrub(inner, about, rows)
            if statement:
                each.statement = redacted(statement)
                each.hide_parameters |= each.statement != statement
        elif not isinstance(each, CommandError):  # those are sentences of this library
            _scrub(each, list(sql_around(each)), [])


def formatted(error: BaseException) -> str:
    """The traceback as text for a terminal or a log."""
    scrub(error)
    return printable("".join(format_exception(error)))


def _scrub(error: BaseException, about: list[str | None], rows: list[str]) -> None:
    """Clean the attributes that an error is printed from."""
    values: Any = error
    error.args = tuple(_clean(value, about, rows) for value in error.args)
    for name in ("message", "detail", "hint", "context", "internal_query"):  # asyncpg's
        if isinstance(vars(error).get(name), str):
            setattr(values, name, _clean(getattr(values, name), about, rows))


def _clean(value: Any, about: list[str | None], rows: list[str]) -> Any:
    if not isinstance(value, str):
        return value
    for row in rows:
        value = value.replace(row, "…")
    return redacted_message(value, *about)


def _leave_out_frames(error: BaseException) -> None:
    """Remove the frames whose source line may hold a secret. A note names each."""
    before, trace = None, error.__traceback__
    while trace:
        source = _source(trace)
        if not ("'" in source or '"' in source) or not source_may_hold_a_secret(source):
            before = trace
        else:
            code = trace.tb_frame.f_code
            error.add_note(f"At {code.co_filename}:{trace.tb_lineno}, a line that names a secret.")
            if before:
                before.tb_next = trace.tb_next
            else:
                error.__traceback__ = trace.tb_next
        trace = trace.tb_next


def _source(trace: TracebackType) -> str:
    """The source lines of the expression that a frame executes."""
    code = trace.tb_frame.f_code
    position = next(islice(code.co_positions(), trace.tb_lasti // 2, None), (None,) * 4)
    first, last = position[0] or trace.tb_lineno, position[1] or trace.tb_lineno
    return "".join(getlines(code.co_filename)[first - 1 : last])


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__]
        waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
