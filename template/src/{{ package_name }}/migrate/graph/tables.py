"""The tables of the models and how they refer to each other, as an entity relationship diagram.

https://mermaid.js.org/syntax/entityRelationshipDiagram.html
"""

import re
from collections.abc import Iterator

from sqlalchemy import (
    Column,
    Enum,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql

from .text import escaped, name_word, type_word

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

_SHORT = {
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "TIMESTAMP WITHOUT TIME ZONE": "timestamp",
    "TIME WITH TIME ZONE": "timetz",
    "TIME WITHOUT TIME ZONE": "time",
    "DOUBLE PRECISION": "float8",
}


def draw_tables(metadata: MetaData) -> str:
    """A diagram of all tables, in the order of their names."""
    tables = sorted(metadata.tables.values(), key=_name)
    lines = ["erDiagram"]
    for table in tables:
        lines += _entity(table)
    for table in tables:
        lines += _relations(table)
    return "\n".join(lines) + "\n"


def _entity(table: Table) -> Iterator[str]:
    yield f'    "{escaped(_name(table))}" {{'
    for column in table.columns:
        keys = ", ".join(_keys(table, column))
        remarks = [] if column.name == name_word(column.name) else [escaped(column.name)]
        remarks += ["null"] if column.nullable else []
        line = f"        {_type(column)} {name_word(column.name)} {keys}".rstrip()
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
            f'    "{escaped(_name(key.referred_table))}" {line} "{escaped(_name(table))}" '
            f': "{escaped(label)}"'
        )


def _keys(table: Table, column: Column[object]) -> Iterator[str]:
    if column.primary_key:
        yield "PK"
    if column.foreign_keys:
        yield "FK"
    if not column.primary_key and _is_unique(table, [column]):
        yield "UK"


def _is_unique(table: Table, columns: list[Column[object]]) -> bool:
    """Whether no two rows have the same values there."""
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
        return type_word(column.type.name or "enum")
    name = column.type.compile(dialect=_DIALECT)
    return type_word(_SHORT.get(name) or re.sub(r",\s*", ",", name.lower()))


def _name(table: Table) -> str:
    """With the schema, where it is not that of the metadata."""
    is_elsewhere = table.schema and table.schema != table.metadata.schema
    return f"{table.schema}.{table.name}" if is_elsewhere else table.name
