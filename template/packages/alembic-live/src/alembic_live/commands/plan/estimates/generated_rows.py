"""Rows of a table's shape, which a plan measures: with the table's types, widths and indexes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from alembic_live.commands.plan.rehearsal.effects import RelationName
from alembic_live.postgres.candidates import EXAMPLE, Candidates, filled
from alembic_live.postgres.connection import execute_verbatim
from alembic_live.sql.quoting import identifier, literal

ROW_OVERHEAD = 28  # bytes, of its header and its pointer
WIDEST = 1500  # bytes of a generated text, which is not compressed
NUMBERS = (1, 99_999)  # with which each expression is tried

COLUMNS = text(
    """
    SELECT a.attname AS name, a.attnotnull AS required, a.atttypid AS type_oid, a.attlen AS length,
        format_type(a.atttypid, a.atttypmod) AS type, t.typname AS type_name,
        EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique
            AND a.attnum = ANY(i.indkey)) AS is_unique,
        EXISTS (SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
            WHERE m.amname = 'btree' AND o.opcdefault AND o.opcintype = a.atttypid)
            OR t.typname IN ('varchar', 'bpchar') AS is_sortable
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = to_regclass(:table) AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attgenerated = ''
    ORDER BY a.attnum
    """
)

# Expressions of a number `i`, the seed {seed} and a width in bytes, by the type's name.
_TEXT = "left(repeat(md5(i || '{seed}'), {width} / 32 + 1), {width})"
_HASH = "(hashint8extended(i, {seed}) & 2147483647)"
_VALUES = {
    "int2": "i % 30000",
    "int4": _HASH,
    "int8": _HASH,
    "numeric": _HASH + " / 100.0",
    "float4": _HASH,
    "float8": _HASH,
    "bool": "i % 2 = 0",
    "text": _TEXT,
    "varchar": _TEXT,
    "bpchar": _TEXT,
    "bytea": "convert_to(" + _TEXT + ", 'UTF8')",
    "date": "date '2000-01-01' + (" + _HASH + " % 9000)::int",
    "timestamp": "timestamp '2000-01-01' + " + _HASH + " % 700000000 * interval '1 s'",
    "timestamptz": "timestamptz '2000-01-01 UTC' + " + _HASH + " % 700000000 * interval '1 s'",
    "uuid": "md5(i || '{seed}')::uuid",
    "json": "json_build_object('number', i, 'text', " + _TEXT + ")",
    "jsonb": "jsonb_build_object('number', i, 'text', " + _TEXT + ")",
}
_UNIQUE = {"int4": "i", "int8": "i", "numeric": "i"}


@dataclass(frozen=True, slots=True)
class GeneratedTable:
    """A copy of a table for generated rows.

    Attributes:
        name: its quoted name.
        columns: the columns that a value can be generated for, and that value as SQL of `i`.
        sortable: columns that a B-tree can have, of different types.
        missing: columns that stay NULL, because no value of their type is known.
    """

    name: str
    columns: dict[str, str]
    sortable: list[str]
    missing: list[str]

    def insert(self, connection: Connection, first: int, last: int) -> None:
        """Insert rows with these numbers. Rows that break a unique index are left out.

        Raises:
            DBAPIError: Postgres refuses the rows.
        """
        names = ", ".join(map(identifier, self.columns))
        values = ", ".join(self.columns.values())
        with connection.begin():
            execute_verbatim(
                connection,
                f"INSERT INTO {self.name} ({names}) SELECT {values} "
                f"FROM generate_series({first}::bigint, {last}) AS i ON CONFLICT DO NOTHING",
            )


def copy_table(
    connection: Connection, table: RelationName, schema: str, width: float
) -> GeneratedTable:
    """Create an empty copy of a table with its indexes, without its checks and foreign keys.

    Args:
        connection: a connection without a transaction in progress.
        table: the table, or a materialized view.
        schema: the schema of the copy, which exists.
        width: bytes of a row on average. What the types do not need is shared by texts.

    Raises:
        DBAPIError: Postgres refuses the copy; there is no such table.
    """
    name = identifier(schema, table.name)
    with connection.begin():
        execute_verbatim(
            connection,
            f"CREATE TABLE {name} (LIKE {identifier(*table)} INCLUDING ALL "
            "EXCLUDING CONSTRAINTS EXCLUDING DEFAULTS EXCLUDING IDENTITY EXCLUDING COMMENTS)",
        )
        rows = connection.execute(COLUMNS, {"table": name}).all()
    texts = [row for row in rows if "{width}" in _VALUES.get(row.type_name, "")]
    fixed = sum(row.length if row.length > 0 else 8 for row in rows if row not in texts)
    left = (width - ROW_OVERHEAD - fixed) / max(1, len(texts))
    share = int(min(WIDEST, max(1, left)))
    candidates = Candidates(connection)
    found = {row.name: _value(connection, candidates, row, share) for row in rows}
    return GeneratedTable(
        name,
        {column: value for column, value in found.items() if value},
        list(_of_different_types(row for row in rows if row.is_sortable and found[row.name])),
        [column for column, value in found.items() if not value],
    )


def _of_different_types(rows: Iterable[Row[Any]]) -> Iterator[str]:
    seen = set()
    for row in rows:
        if row.type_name not in seen:
            seen.add(row.type_name)
            yield row.name


def _value(connection: Connection, candidates: Candidates, row: Row[Any], width: int) -> str | None:
    """A value of a column as SQL, cast to its type. None if no value of the type is known."""
    pattern = _UNIQUE.get(row.type_name) if row.is_unique else None
    pattern = pattern or _VALUES.get(row.type_name)
    if pattern:
        value = f"CAST({pattern.format(seed=len(row.name), width=width)} AS {row.type})"
        if _is_accepted(connection, value):
            return value
    texts = candidates.of(row.type_oid, row.type)
    if not texts:
        return None
    array = ", ".join(literal(filled(each, EXAMPLE)) for each in texts)
    return f"CAST((ARRAY[{array}])[1 + i % {len(texts)}] AS {row.type})"


def _is_accepted(connection: Connection, value: str) -> bool:
    numbers = ", ".join(f"({number}::bigint)" for number in NUMBERS)
    try:
        with connection.begin():
            execute_verbatim(connection, f"SELECT {value} FROM (VALUES {numbers}) AS n (i)")
    except DBAPIError:
        return False
    return True
