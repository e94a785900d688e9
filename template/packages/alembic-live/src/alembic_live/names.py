"""Names that are too long for Postgres, which keeps 63 bytes.

A naming convention easily makes one. SQLAlchemy shortens it when it writes SQL, and so does
Postgres, but differently. What looks a name up needs the result.
"""

from collections.abc import Iterator
from typing import Any

from alembic.util import CommandError
from sqlalchemy import ARRAY, Enum, MetaData, Sequence, Table
from sqlalchemy.sql.elements import conv

from alembic_live.internals.sqlalchemy import shortened_name

LONGEST = 63  # bytes, in UTF-8


def stored_name(name: str) -> str:
    """The name that an index or a constraint gets. SQLAlchemy replaces the end of a name with more
    than 63 characters by a hash. Postgres cuts off the bytes that are still too many.
    """
    return cut_name(shortened_name(conv(name)))


def cut_name(name: str) -> str:
    """The name that Postgres makes of a name in SQL that a person wrote."""
    return name.encode()[:LONGEST].decode(errors="ignore")


def possible_names(name: str) -> list[str]:
    """The names that an existing index or constraint can have. The likeliest comes first."""
    return list(dict.fromkeys([stored_name(name), cut_name(name)]))


def shorten_names(metadata: MetaData) -> None:
    """Give the indexes and constraints of the models the names that they have in the database.

    Raises:
        CommandError: a name is too long that a person chose; the text says what to write instead.
    """
    for table in metadata.tables.values():
        for kind, name in _chosen_names(table):
            if len(name.encode()) > LONGEST:
                raise _too_long(kind, name, table)
        items: list[Any] = [*table.constraints, *table.indexes]
        for item in items:
            name = item.name
            if not isinstance(name, str) or len(name.encode()) <= LONGEST:
                continue
            if len(name) > LONGEST and not isinstance(name, conv):
                raise _too_long("constraint or index", name, table)  # as in SQLAlchemy's DDL
            item.name = conv(stored_name(name))


def _chosen_names(table: Table) -> Iterator[tuple[str, str]]:
    yield "table", table.name
    if table.schema:
        yield "schema", table.schema
    for column in table.columns:
        yield "column", column.name
        type_ = column.type.item_type if isinstance(column.type, ARRAY) else column.type
        if isinstance(type_, Enum) and type_.native_enum and type_.name:
            yield "enum", type_.name
        if isinstance(column.default, Sequence):
            yield "sequence", column.default.name


def _too_long(kind: str, name: str, table: Table) -> CommandError:
    of_table = "" if name == table.name else f" of table {cut_name(table.name)}"
    return CommandError(
        f"The name {name} has {len(name.encode())} bytes, and Postgres keeps {LONGEST}. Choose a "
        f"shorter name for the {kind}{of_table} in the models. If the database has the {kind} "
        f"already, its name there is {cut_name(name)}."
    )
