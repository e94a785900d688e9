"""What autogenerate writes beside operations: comments, and lines that know how to be undone."""

from textwrap import wrap
from typing import Any, Self

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from ...printable import one_line

WIDTH = 90  # of a comment, which stands four columns in


class Line(ops.MigrateOperation):
    """A line of a revision, and the one that takes it back."""

    def __init__(self, line: str, undo: str) -> None:
        self.line, self.undo = line, undo

    @classmethod
    def of_sql(cls, statement: str, undo: str) -> Self:
        """One that runs SQL."""
        return cls(_executes(statement), _executes(undo))

    def reverse(self) -> Self:
        """The line that takes this one back."""
        return type(self)(self.undo, self.line)

    def to_diff_tuple(self) -> Any:
        """What `alembic check` shows of it."""
        return (self.line,)


class Comment(ops.MigrateOperation):
    """A comment above an operation."""

    def __init__(self, text: str) -> None:
        self.text = text

    def reverse(self) -> Self:
        """Nothing is to be said on the way back."""
        return type(self)("")


@renderers.dispatch_for(Line)
def _render_line(_context: AutogenContext, item: Line) -> str:
    return item.line


@renderers.dispatch_for(Comment)
def _render_comment(_context: AutogenContext, item: Comment) -> list[str]:
    return [f"# {line}" for line in wrap(one_line(item.text), WIDTH)]


def _executes(statement: str) -> str:
    return f"op.execute({statement.replace(':', chr(92) + ':')!r})"
