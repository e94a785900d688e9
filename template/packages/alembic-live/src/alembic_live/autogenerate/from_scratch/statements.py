"""The SQL of pg_dump as single statements, and as lines of a revision."""

import re
from collections.abc import Iterator
from textwrap import indent

from alembic.operations import ops

from alembic_live.autogenerate.rendering import Line
from alembic_live.postgres.dump import Schema
from alembic_live.printable import is_printable
from alembic_live.sql.lexer import statements

PLACEHOLDER = re.compile(r'"@(\d+)@"')
MARGIN = " " * 8


def statements_of(sql: str) -> Iterator[str]:
    """The statements that create an object, without the semicolons at their ends."""
    for statement in statements(sql):
        if statement[-1].text == ";":
            written = "".join(token.text for token in statement[:-1])
            # pg_dump fills materialized views with the data. An unfilled view cannot be read.
            yield written.strip().removesuffix("\n  WITH NO DATA")


class Statements:
    """The statements of a revision. The file contains placeholders until it is formatted, because
    the formatter must not change the statements.
    """

    def __init__(self) -> None:
        self._statements: list[str] = []

    def create(self, schema: Schema) -> list[ops.MigrateOperation]:
        """Operations that create these objects."""
        return [self.run(statement) for sql in schema.values() for statement in statements_of(sql)]

    def run(self, statement: str) -> ops.MigrateOperation:
        """An operation that runs a statement."""
        self._statements.append(statement)
        return Line(f'run_sql("@{len(self._statements) - 1}@")', "")

    def fill_in(self, source: str) -> str:
        """Replace the placeholders in a revision's source by the statements."""
        return PLACEHOLDER.sub(
            lambda found: _python_literal(self._statements[int(found[1])]), source
        )


def _python_literal(sql: str) -> str:
    """A Python string literal. It spans several lines if run_sql then restores the same SQL."""
    lines = sql.split("\n")
    is_plain = '"""' not in sql and not sql.endswith('"')
    if not is_plain or any(line != line.rstrip() or not is_printable(line) for line in lines):
        ended = [*(f"{line}\n" for line in lines[:-1]), lines[-1]]
        literals = "\n".join(f"{MARGIN}{line!r}" for line in ended)
        return f"(\n{literals}\n    )"
    if len(lines) == 1 and len(sql) < 80 and "\\" not in sql:
        return repr(sql) if '"' in sql else f'"{sql}"'
    prefix = "r" if "\\" in sql else ""
    return f'{prefix}"""\n{indent(sql, MARGIN)}\n    """'
