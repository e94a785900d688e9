"""What autogenerate writes besides Alembic's operations: comments and reversible lines."""

import re
from collections.abc import Iterable
from copy import copy
from functools import cache
from textwrap import wrap
from typing import Any, NamedTuple, Self

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy.sql.elements import ClauseElement

from alembic_live import operations
from alembic_live.internals.sqlalchemy import dialect_without_connection
from alembic_live.operations.sql import run_sql
from alembic_live.printable import one_line

WIDTH = 90  # characters of a comment, which is indented by four more

POSTGRESQL = dialect_without_connection()


_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)|\\:")


def inline_sql(expression: ClauseElement) -> str:
    """An expression as it is in DDL: with its values, without the table."""
    options = {"literal_binds": True, "include_table": False}
    return str(expression.compile(dialect=POSTGRESQL, compile_kwargs=options))


def as_text(sql: str) -> str:
    """SQL for `sqlalchemy.text()`, in which a colon begins a parameter."""
    return sql.replace(":", r"\:") if _PARAMETER.search(sql) else sql


@cache
def compiler() -> Any:
    """SQLAlchemy's writer of the SQL of columns and constraints."""
    make: Any = POSTGRESQL.ddl_compiler
    return make(POSTGRESQL, None)


class Line(ops.MigrateOperation):
    """A line of Python in a revision, and the line that reverses it."""

    drops = ""  # the name of the constraint, or of the statistics, that it drops or changes
    allows = ""  # what `db lint` finds in it and why it is right, as `rule: reason`

    def __init__(self, line: str, undo: str, *, is_sql: bool = False) -> None:
        self.line, self.undo, self.is_sql = line, undo, is_sql

    @classmethod
    def of_sql(cls, statement: str, undo: str = "", *, drops: str = "", allows: str = "") -> Self:
        """A line that runs a statement, reversed by a line that runs another one, or by none."""
        line = cls(statement, undo, is_sql=True)
        line.drops, line.allows = drops, allows
        return line

    def reverse(self) -> Self:
        """The line for the opposite direction."""
        return type(self)(self.undo, self.line, is_sql=self.is_sql)

    def to_diff_tuple(self) -> Any:
        """What `alembic check` shows."""
        return (self.line,)


class BlockingLine(Line):
    """A line that blocks other sessions for long, and what to say of it in each direction."""

    warning = undo_warning = ""

    def saying(self, warning: str, undo_warning: str) -> Self:
        """The same line with its warnings."""
        line = copy(self)
        line.warning, line.undo_warning = warning, undo_warning
        return line

    def reverse(self) -> Self:
        """The line for the opposite direction."""
        return super().reverse().saying(self.undo_warning, self.warning)


class Comment(ops.MigrateOperation):
    """A comment above an operation."""

    def __init__(self, text: str) -> None:
        self.text = text

    def reverse(self) -> Self:
        """An empty comment: it applies to one direction only."""
        return type(self)("")


def sql_name(*names: str | None) -> str:
    """A name in SQL, with quotation marks only if it needs them: people read it. Several names,
    such as a schema and a table, are joined by dots; a schema of None is left out.
    """
    return ".".join(map(POSTGRESQL.identifier_preparer.quote, filter(None, names)))


def display_name(*names: str | None) -> str:
    """A name for people, qualified by the names before it: a schema, a table, a type. None is left
    out.
    """
    return one_line(".".join(filter(None, names)))


def execute_call(context: AutogenContext, statement: str) -> str:
    """The call that runs a statement. In `op.execute` a colon starts a parameter."""
    if ":" not in statement:
        return f"op.execute({statement!r})"
    context.imports.add(f"from {operations.__name__} import {run_sql.__name__}")
    return f"{run_sql.__name__}({statement!r})"


class WrittenStatement(NamedTuple):
    """One of several statements of a change."""

    sql: str
    allows: str = ""  # what `db lint` finds in it and why it is right, as `rule: reason`


def statement_calls(
    context: AutogenContext, statements: Iterable[WrittenStatement], *, is_undo: bool
) -> list[str]:
    """The calls that run statements. Above those of an upgrade are the comments for `db lint`."""
    lines = []
    for sql, allows in statements:
        if allows and not is_undo:
            lines.append(f"# {allowing(allows)}")
        lines.append(execute_call(context, sql))
    return lines


def allowing(allows: str) -> str:
    """The comment above a statement that tells `db lint` why a finding is right.

    Args:
        allows: the rules and the reason, as `rule, rule: reason`.
    """
    return f"squawk-ignore {allows}"


@renderers.dispatch_for(Line)
def _render_line(context: AutogenContext, item: Line) -> list[str]:
    if not item.line:
        return []
    if item.is_sql:
        statement = WrittenStatement(item.line, item.allows)
        return statement_calls(context, [statement], is_undo=False)
    return [f"# {allowing(item.allows)}", item.line] if item.allows else [item.line]


@renderers.dispatch_for(Comment)
def _render_comment(_context: AutogenContext, item: Comment) -> list[str]:
    return [f"# {line}" for line in wrap(one_line(item.text), WIDTH)]
