"""The SQL that pg_dump writes, statement by statement, and as lines of a revision."""

import re
from collections.abc import Iterator
from textwrap import indent

from alembic.operations import ops

from ...printable import is_printable
from ..autogenerate.lines import Line
from ..lexer import statements
from ..schema_dump import Schema, Thing

# Bodies may hold semicolons that end nothing.
WITH_BODIES = ("AGGREGATE", "FUNCTION", "PROCEDURE")

NUMBER = re.compile(r'"@(\d+)@"')
MARGIN = " " * 8


def statements_of(thing: Thing, text: str) -> Iterator[str]:
    """The statements that make an object, without the semicolons at their ends."""
    if thing.kind in WITH_BODIES:
        yield text.rstrip().removesuffix(";")
        return
    for statement in statements(text):
        if statement[-1].text == ";":
            # pg_dump leaves this to the data; a view that was never filled cannot be read.
            written = "".join(token.text for token in statement[:-1])
            yield written.strip().removesuffix("\n  WITH NO DATA")


class Statements:
    """The statements of a revision. Until its file is formatted they stand in it as numbers: their
    lines must stay as they are.
    """

    def __init__(self) -> None:
        self._statements: list[str] = []

    def making(self, schema: Schema) -> list[ops.MigrateOperation]:
        """Operations that make these objects."""
        return [
            self.running(statement)
            for thing, text in schema.items()
            for statement in statements_of(thing, text)
        ]

    def running(self, statement: str) -> ops.MigrateOperation:
        """An operation that runs a statement."""
        self._statements.append(statement)
        return Line(f'run_sql("@{len(self._statements) - 1}@")', "")

    def filled_in(self, source: str) -> str:
        """The text of the revision's file, with the statements in the numbers' place."""
        return NUMBER.sub(lambda found: _literal(self._statements[int(found[1])]), source)


def _literal(sql: str) -> str:
    """The SQL as a text in Python, in lines of its own where they stay as they are."""
    lines = sql.split("\n")
    is_plain = '"""' not in sql and not sql.endswith('"')
    if not is_plain or any(line != line.rstrip() or not is_printable(line) for line in lines):
        return (
            "(\n" + "\n".join(f"{MARGIN}{line + end!r}" for line, end in _ended(lines)) + "\n    )"
        )
    if len(lines) == 1 and len(sql) < 80 and "\\" not in sql:
        return repr(sql) if '"' in sql else f'"{sql}"'
    prefix = "r" if "\\" in sql else ""
    return f'{prefix}"""\n{indent(sql, MARGIN)}\n    """'


def _ended(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines[:-1]:
        yield line, "\n"
    yield lines[-1], ""
