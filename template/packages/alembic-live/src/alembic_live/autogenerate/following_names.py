"""Names of indexes, constraints and sequences that contain the name of a table or a column. When
that is renamed, they get a new name too. Nothing is built again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, MetaData, Table

from alembic_live.autogenerate.rendering import Line, sql_name
from alembic_live.autogenerate.table_parts import (
    CONSTRAINTS,
    TablePart,
    default_name,
    is_same,
    parts_of_tables,
)
from alembic_live.names import cut_name
from alembic_live.postgres.connection import execute_verbatim

Name = TypeVar("Name")

NAMED_IN_TABLE = "fc"  # two tables can have such a part of the same name
SEQUENCE = "renaming-object: the column's default follows it"  # for `db lint`


@contextmanager
def following_names(connection: Connection, metadatas: Sequence[MetaData]) -> Iterator[list[Line]]:
    """A block that renames tables and columns. At its end, the names that contain theirs are renamed
    too, and the list has the lines that do it in a revision.
    """
    before = parts_of_tables(connection)
    lines: list[Line] = []
    yield lines
    after = parts_of_tables(connection)
    renames: dict[Any, dict[str, str]] = {}
    parts: dict[tuple[Any, str], TablePart] = {}
    for table, of_table in _concerned(connection, metadatas, before, after):
        names = _names_in_models(connection, table, of_table)
        taken = {item.name for item in _items(table)}
        for part in of_table:
            new = names.get(part)
            if new is None and part.name not in taken:
                is_default = default_name(connection, before[part.oid]) == part.name
                new = default_name(connection, part) if is_default else None
            if new and new != part.name:
                scope = part.table_oid if part.kind in NAMED_IN_TABLE else part.schema
                renames.setdefault(scope, {})[part.name] = new
                parts[scope, part.name] = part
    default = connection.dialect.default_schema_name
    for scope, of_scope in renames.items():
        for old, new in in_order(of_scope, temporary):
            part = parts[scope, new] = parts.pop((scope, old))
            if part.schema == default:
                part = part._replace(schema="")
            execute_verbatim(connection, _renaming(part, old, new))
            allows = SEQUENCE if part.kind == "s" else ""
            lines.append(
                Line.of_sql(_renaming(part, old, new), _renaming(part, new, old), allows=allows)
            )


def in_order(
    renames: dict[Name, Name], temporary: Callable[[Name], Name]
) -> Iterator[tuple[Name, Name]]:
    """The steps of renames at the same time: no step takes a name that is still in use. Names that
    change places need a temporary one.
    """
    left = dict(renames)
    while left:
        free = next((old for old, new in left.items() if new not in left), None)
        if free is not None:
            yield free, left.pop(free)
        else:
            old = next(iter(left))
            yield old, temporary(old)
            left[temporary(old)] = left.pop(old)


def temporary(name: str) -> str:
    """A name that nothing else has."""
    return f"{cut_name(name)[:40]}_changes_places"


def _concerned(
    connection: Connection,
    metadatas: Sequence[MetaData],
    before: dict[int, TablePart],
    after: dict[int, TablePart],
) -> Iterator[tuple[Table, list[TablePart]]]:
    """The tables of the models that a rename concerns, with their parts in the database. A table
    with a foreign key to a renamed table is concerned too.
    """
    default = connection.dialect.default_schema_name
    concerned = {part.table_oid for oid, part in after.items() if part != before.get(oid)}
    renamed = {
        (part.schema, part.table_name) for part in after.values() if part.table_oid in concerned
    }
    for metadata in metadatas:
        for table in metadata.tables.values():
            names = (table.schema or default, table.name)
            referred = {
                (key.referred_table.schema or default, key.referred_table.name)
                for key in table.foreign_key_constraints
            }
            if names in renamed or referred & renamed:
                yield (
                    table,
                    [part for part in after.values() if (part.schema, part.table_name) == names],
                )


def _items(table: Table) -> list[Any]:
    """The indexes and constraints of a table of the models."""
    return [*table.constraints, *table.indexes]


def _names_in_models(
    connection: Connection, table: Table, parts: Sequence[TablePart]
) -> dict[TablePart, str]:
    """The names in the models of the parts that the models have with the same definition."""
    items = {str(item.name): item for item in _items(table) if item.name}
    found: dict[TablePart, str] = {}
    # The same name comes first: two indexes can have the same definition.
    for part in sorted(parts, key=lambda part: part.name not in items):
        for name in sorted(items, key=lambda name: name != part.name):
            if is_same(connection, table, items[name], part):
                found[part] = name
                del items[name]
                break
    return found


def _renaming(part: TablePart, old: str, new: str) -> str:
    if part.kind in CONSTRAINTS:
        table = sql_name(part.schema, part.table_name)
        return f"ALTER TABLE {table} RENAME CONSTRAINT {sql_name(old)} TO {sql_name(new)}"
    kind = "INDEX" if part.kind == "i" else "SEQUENCE"
    return f"ALTER {kind} {sql_name(part.schema, old)} RENAME TO {sql_name(new)}"
