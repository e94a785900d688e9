"""Mermaid diagrams: the tables of the models, and the history of revisions.

https://mermaid.js.org/syntax/entityRelationshipDiagram.html
https://mermaid.js.org/syntax/flowchart.html
"""

import re
from collections.abc import Collection, Iterable, Iterator

from alembic.script import Script, ScriptDirectory
from sqlalchemy import (
    Column,
    Enum,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql

from alembic_live.history.graph import names_of, title_of
from alembic_live.printable import printable

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

_SHORT = {
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "TIMESTAMP WITHOUT TIME ZONE": "timestamp",
    "TIME WITH TIME ZONE": "timetz",
    "TIME WITHOUT TIME ZONE": "time",
    "DOUBLE PRECISION": "float8",
}

_SPECIAL = re.compile(r"""["%\\<>&#;`{}\r\n\t\v\b]""")
_KEY = re.compile(r"(?:PK|FK|UK)(?![A-Za-z0-9_])", re.IGNORECASE)
_LETTER = r"A-Za-z_\u00C0-\uFFFF"


def draw_tables(tables: Iterable[Table]) -> str:
    """An entity relationship diagram of the tables, sorted by name."""
    tables = sorted(tables, key=_name)
    lines = ["erDiagram"]
    for table in tables:
        lines += _entity(table)
    for table in tables:
        lines += _relations(table)
    return "\n".join(lines) + "\n"


def _entity(table: Table) -> Iterator[str]:
    yield f'    "{_escaped(_name(table))}" {{'
    for column in table.columns:
        keys = ", ".join(_keys(table, column))
        remarks = [] if column.name == _name_word(column.name) else [_escaped(column.name)]
        remarks += ["null"] if column.nullable else []
        line = f"        {_type(column)} {_name_word(column.name)} {keys}".rstrip()
        yield f'{line} "{", ".join(remarks)}"' if remarks else line
    yield "    }"


def _relations(table: Table) -> Iterator[str]:
    keys = [each for each in table.constraints if isinstance(each, ForeignKeyConstraint)]
    for key in sorted(keys, key=lambda key: list(key.column_keys)):
        columns = list(key.columns)
        one = "|o" if any(column.nullable for column in columns) else "||"
        many = "o|" if _is_unique(table, columns) else "o{"
        identifies = all(column.primary_key for column in columns)
        line = f"{one}{'--' if identifies else '..'}{many}"
        label = ", ".join(column.name for column in columns)
        yield (
            f'    "{_escaped(_name(key.referred_table))}" {line} "{_escaped(_name(table))}" '
            f': "{_escaped(label)}"'
        )


def _keys(table: Table, column: Column[object]) -> Iterator[str]:
    if column.primary_key:
        yield "PK"
    if column.foreign_keys:
        yield "FK"
    if not column.primary_key and _is_unique(table, [column]):
        yield "UK"


def _is_unique(table: Table, columns: list[Column[object]]) -> bool:
    """Whether a constraint or an index makes the columns unique."""
    constraints = [
        each
        for each in table.constraints
        if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)
    ]
    indexes = [each for each in table.indexes if each.unique and not _is_partial(each)]
    return any(
        list(each.columns) and set(each.columns) <= set(columns)
        for each in (*constraints, *indexes)
    )


def _is_partial(index: Index) -> bool:
    return index.dialect_options["postgresql"]["where"] is not None or len(index.columns) != len(
        index.expressions
    )


def _type(column: Column[object]) -> str:
    if isinstance(column.type, Enum):
        return _type_word(column.type.name or "enum")
    name = column.type.compile(dialect=_DIALECT)
    return _type_word(_SHORT.get(name) or re.sub(r",\s*", ",", name.lower()))


def _name(table: Table) -> str:
    """The name, with its schema if that is not the metadata's."""
    has_other_schema = table.schema and table.schema != table.metadata.schema
    return f"{table.schema}.{table.name}" if has_other_schema else table.name


def draw_history(script: ScriptDirectory, current: Collection[str]) -> str:
    """A flowchart of all revisions, the oldest at the top. Mermaid's Git graph cannot show several
    first revisions or a merge of more than two.

    Args:
        script: the history.
        current: the revisions of the database, to mark.
    """
    revisions = list(script.walk_revisions())[::-1]
    names = {revision.revision: f"r{number}" for number, revision in enumerate(revisions, start=1)}
    lines = ["flowchart TD"]
    for revision in revisions:
        mark = ":::current" if revision.revision in current else ""
        label = "<br>".join(_label(revision, revision.revision in current))
        lines.append(f'    {names[revision.revision]}["{label}"]{mark}')
    for revision in revisions:
        for below in names_of(revision.down_revision):
            lines.append(f"    {names[below]} --> {names[revision.revision]}")
        for needed in script.get_revisions(names_of(revision.dependencies)):
            lines.append(f"    {names[needed.revision]} -.-> {names[revision.revision]}")
    if current:
        lines.append("    classDef current stroke-width:4px")
    return "\n".join(lines) + "\n"


def _label(revision: Script, is_current: bool) -> Iterator[str]:
    yield _escaped(revision.revision)
    yield _escaped(title_of(revision))
    notes = [_escaped(label) for label in sorted(revision.branch_labels)]
    notes += ["head"] if revision.is_head else []
    notes += ["the database is here"] if is_current else []
    if notes:
        yield f"({', '.join(notes)})"


def _escaped(text: str) -> str:
    """Escape a text for use inside quotation marks.

    https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters
    """
    return _SPECIAL.sub(lambda found: f"#{ord(found.group())};", printable(text))


def _name_word(name: str) -> str:
    """A column's name, changed to one that needs no quotation marks."""
    text = re.sub(rf"[^{_LETTER}0-9]", "_", printable(name))
    is_valid = re.match(rf"[{_LETTER}]", text) and not _KEY.match(text)
    return text if is_valid else f"_{text}"


def _type_word(type_: str) -> str:
    """The same for a type, which may have parentheses: `numeric(10_2)`."""
    return re.sub(rf"[^{_LETTER}0-9()\[\]]", "_", printable(type_))
