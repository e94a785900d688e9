"""What autogenerate writes besides Alembic's operations: comments and reversible lines."""

from textwrap import wrap
from typing import Any, Self

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql

from alembic_live.printable import one_line

WIDTH = 90  # characters of a comment, which is indented by four more

# With the default paramstyle, the dialect doubles percent signs in names.
POSTGRESQL: Dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


class Line(ops.MigrateOperation):
    """A line of Python in a revision, and the line that reverses it."""

    def __init__(self, line: str, undo: str, statement: str = "") -> None:
        self.line, self.undo = line, undo
        self.statement = statement  # that the line runs, if it is made of SQL

    @classmethod
    def of_sql(cls, statement: str, undo: str = "") -> Self:
        """A line that runs a statement, reversed by a line that runs another one, or by none."""
        return cls(_execute_call(statement), _execute_call(undo) if undo else "", statement)

    def reverse(self) -> Self:
        """The line for the opposite direction."""
        return type(self)(self.undo, self.line)

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


@renderers.dispatch_for(Line)
def _render_line(_context: AutogenContext, item: Line) -> list[str]:
    return [item.line] if item.line else []


@renderers.dispatch_for(Comment)
def _render_comment(_context: AutogenContext, item: Comment) -> list[str]:
    return [f"# {line}" for line in wrap(one_line(item.text), WIDTH)]


def _execute_call(statement: str) -> str:
    return f"op.execute({statement.replace(':', chr(92) + ':')!r})"
