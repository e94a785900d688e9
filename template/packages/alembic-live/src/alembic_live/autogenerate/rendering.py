"""What autogenerate writes besides Alembic's operations: comments and reversible lines."""

from textwrap import wrap
from typing import Any, Self

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql

from alembic_live import operations
from alembic_live.operations.sql import run_sql
from alembic_live.printable import one_line

WIDTH = 90  # characters of a comment, which is indented by four more

# With the default paramstyle, the dialect doubles percent signs in names.
POSTGRESQL: Dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


class Line(ops.MigrateOperation):
    """A line of Python in a revision, and the line that reverses it."""

    def __init__(self, line: str, undo: str, *, is_sql: bool = False) -> None:
        self.line, self.undo, self.is_sql = line, undo, is_sql

    @classmethod
    def of_sql(cls, statement: str, undo: str) -> Self:
        """A line that runs a statement, reversed by a line that runs another one."""
        return cls(statement, undo, is_sql=True)

    def reverse(self) -> Self:
        """The line for the opposite direction."""
        return type(self)(self.undo, self.line, is_sql=self.is_sql)

    def to_diff_tuple(self) -> Any:
        """What `alembic check` shows."""
        return (self.line,)


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


@renderers.dispatch_for(Line)
def _render_line(context: AutogenContext, item: Line) -> str:
    return execute_call(context, item.line) if item.is_sql else item.line


@renderers.dispatch_for(Comment)
def _render_comment(_context: AutogenContext, item: Comment) -> list[str]:
    return [f"# {line}" for line in wrap(one_line(item.text), WIDTH)]
