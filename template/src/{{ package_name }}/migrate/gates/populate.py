"""Rows for every table, made from its columns: what a revision does to an empty table says little
about what it does to one that is full.
"""

import random
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, inspect, text
from sqlalchemy.exc import DBAPIError

from ...database.metadata import metadata
from ...database.schema import SCHEMA
from ...paths import PROJECT_ROOT
from ..errors import reason_of
from ..models import load_models
from ..schema_dump import VERSION_TABLE

VALUES = PROJECT_ROOT / "tests" / "values.toml"
TRIES = 300  # for one row: checks may want values that go together

COLUMNS = text(
    """
    SELECT c.relname AS table_name, a.attname AS name, t.typlen, a.attnotnull AS required,
           format_type(a.atttypid, a.atttypmod) AS type,
           coalesce(b.typcategory, t.typcategory)::text AS category,
           a.attgenerated <> '' OR a.attidentity <> ''
               OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false) AS is_made,
           ARRAY(SELECT enumlabel::text FROM pg_enum e WHERE e.enumtypid = a.atttypid
                 ORDER BY enumsortorder) AS labels
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type b ON b.oid = t.typbasetype
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace = coalesce(to_regnamespace(quote_ident(:schema)), 'public'::regnamespace)
      AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> :version
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum
    """
)
CHECKED = text(
    "SELECT a.attname FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid"
    " AND a.attnum = ANY(k.conkey) WHERE k.conname = :name AND k.conrelid = to_regclass(:table)"
)
VIOLATED = re.compile(r'violates check constraint "([^"]+)"')
NO_PARTITION = "no partition of relation"

# Texts that Postgres reads as a value of a type, by the type's name or its category:
# https://www.postgresql.org/docs/current/catalog-pg-type.html
TEXTS = {
    "A": ["{}"],
    "B": ["true", "false"],
    "D": ["%(time)s", "2001-01-01", "2099-12-31", "12:00"],
    "G": ["(1,1)", "(1,1),(2,2)", "((1,1),(2,2))", "<(1,1),1>", "{1,-1,0}"],
    "I": ["10.0.0.%(byte)d", "192.168.%(byte)d.0/24"],
    "N": ["%(n)d", "%(byte)d", "0", "1", "2", "10", "100", "1000", "0.5", "-1"],
    "R": ["[%(n)d,%(m)d)", "[%(time)s,2099-12-31)", "empty"],
    "S": [
        *("a%(n)d", "A%(n)d", "a", "abc", "a%(n)d@example.com", "https://example.com/%(n)d", "en"),
        *("EUR", "a-b", "0%(n)d", "+4930%(n)07d", "2024-01-01", "12345", "#ffffff", ""),
    ],
    "T": ["%(n)d seconds", "1 day"],
    "V": ["1", "10", "10101010"],
    "bytea": ["\\x%(byte)02x", "\\x"],
    "json": ["{}", "[]", '{"a": %(n)d}', "1"],
    "jsonb": ["{}", "[]", '{"a": %(n)d}', "1"],
    "macaddr": ["08:00:2b:01:02:%(byte)02x"],
    "tsvector": ["a%(n)d"],
    "uuid": ["00000000-0000-4000-8000-%(n)012d"],
    "xml": ["<a/>"],
}


class Key(NamedTuple):
    """A foreign key: its columns, and those that they refer to."""

    columns: Sequence[str]
    referred_schema: str | None
    referred_table: str
    referred_columns: Sequence[str]


@dataclass
class Population:
    """The rows that were made so far. A table that has not changed since keeps those it has."""

    connection: Connection
    seen: dict[str, str] = field(default_factory=dict)
    number: int = 0
    usable: dict[str, list[str]] = field(default_factory=dict)  # texts, by type

    def __post_init__(self) -> None:
        load_models()

    def grow(self) -> list[str]:
        """Make two rows for each table that is new or has changed: one with a value in every
        column, one with NULL wherever it may be. Returns a sentence for each that gets none.
        """
        columns: dict[str, list[Row[Any]]] = {}
        with self.connection.begin():
            found = self.connection.execute(
                COLUMNS, {"schema": SCHEMA or "public", "version": VERSION_TABLE}
            )
            for row in found:
                columns.setdefault(row.table_name, []).append(row)
            tables = [
                name
                for name, _ in inspect(self.connection).get_sorted_table_and_fkc_names(SCHEMA)
                if name in columns
            ]
        problems = []
        for table in tables:
            if self.seen.get(table) != repr(columns[table]):
                self.seen[table] = repr(columns[table])
                errors = [self._add_row(table, columns[table], full) for full in (True, False)]
                if None not in errors:
                    problems.append(
                        f"No row could be made for table {table} ({errors[0]}). Write values that "
                        f"go together into tests/{VALUES.name}: a section [{table}], and in it for "
                        'each column a list of texts, such as status = ["open"].'
                    )
        return problems

    def _add_row(self, table: str, columns: list[Row[Any]], full: bool) -> str | None:
        """Try values until Postgres takes them; Postgres's last word where it never does."""
        rng = random.Random(table)
        wanted = _wanted_values().get(table, {})
        texts = {c.name: [*wanted.get(c.name, []), *self._texts_for(c)] for c in columns}
        choice = dict.fromkeys(texts, 0)
        refused: DBAPIError | None = None
        for _ in range(TRIES):
            self.number += 1
            try:
                with self.connection.begin():
                    values = self._values(table, columns, texts, choice, full)
                    self.connection.exec_driver_sql(_insert(table, values))
                return None
            except DBAPIError as error:
                refused = error
            refusal = " ".join(str(refused.orig).split())
            if NO_PARTITION in refusal:
                return None  # of which there may be none yet
            check = VIOLATED.search(refusal)
            for name in self._columns_of_check(table, check[1]) if check else list(texts):
                choice[name] = rng.randrange(max(1, len(texts[name])))
        return reason_of(refused) if refused else ""

    def _values(
        self,
        table: str,
        columns: list[Row[Any]],
        texts: dict[str, list[str]],
        choice: dict[str, int],
        full: bool,
    ) -> dict[str, str | None]:
        numbers = {
            "n": self.number,
            "m": self.number + 1,
            "byte": self.number % 250 + 1,
            "time": datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=self.number),
        }
        values: dict[str, str | None] = {}
        for column in columns:
            if column.is_made or not (full or column.required):
                continue
            options = texts[column.name]
            text = options[choice[column.name] % len(options)] if options else None
            if text is not None and "%(" in text:
                text = text % numbers
            length = re.search(r"\((\d+)\)", column.type) if column.category == "S" else None
            values[column.name] = text[: int(length[1])] if text and length else text
        required = {column.name for column in columns if column.required}
        for key in self._keys_of(table):
            referred = self._row_of(key)
            for place, name in enumerate(key.columns):
                if name in values and (referred or name not in required):
                    values[name] = referred[place] if referred else None
        return values

    def _keys_of(self, table: str) -> list[Key]:
        """The foreign keys of the table, and those that its model has today: what will be one was
        kept to before as well.
        """
        keys = [
            Key(
                k["constrained_columns"],
                k["referred_schema"],
                k["referred_table"],
                k["referred_columns"],
            )
            for k in inspect(self.connection).get_foreign_keys(table, SCHEMA)
        ]
        model = metadata.tables.get(f"{SCHEMA}.{table}" if SCHEMA else table)
        for constraint in model.foreign_key_constraints if model is not None else ():
            referred = constraint.referred_table
            names = [element.column.name for element in constraint.elements]
            there = inspect(self.connection)
            if there.has_table(referred.name, referred.schema) and set(names) <= {
                column["name"] for column in there.get_columns(referred.name, referred.schema)
            }:
                keys.append(Key(constraint.column_keys, referred.schema, referred.name, names))
        return keys

    def _row_of(self, key: Key) -> Row[Any] | None:
        """The values that a foreign key may have, as texts; None where there is no such row."""
        names = ", ".join(f"{_quoted(name)}::text" for name in key.referred_columns)
        table = _qualified(key.referred_table, key.referred_schema)
        return self.connection.exec_driver_sql(
            f"SELECT {names} FROM {table} ORDER BY random() LIMIT 1"
        ).first()

    def _texts_for(self, column: Row[Any]) -> list[str]:
        """What Postgres reads as a value of the column's type."""
        if column.labels:
            return list(column.labels)
        if column.type not in self.usable:
            name = column.type.partition("(")[0]
            every = (
                TEXTS.get(name)
                or TEXTS.get(column.category)
                or [text for texts in TEXTS.values() for text in texts]
            )
            self.usable[column.type] = [text for text in every if self._is_read(text, column.type)]
        return self.usable[column.type]

    def _is_read(self, text: str, type_: str) -> bool:
        numbers = {"n": 1, "m": 2, "byte": 1, "time": "2024-01-01"}
        value = text % numbers if "%(" in text else text
        try:
            with self.connection.begin():
                self.connection.exec_driver_sql(f"SELECT CAST({_literal(value)} AS {type_})")
        except DBAPIError:
            return False
        return True

    def _columns_of_check(self, table: str, name: str) -> list[str]:
        with self.connection.begin():
            values = {"name": name, "table": _qualified(table, SCHEMA)}
            return list(self.connection.execute(CHECKED, values).scalars())


def _wanted_values() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(VALUES.read_text(encoding="utf-8")) if VALUES.exists() else {}


def _insert(table: str, values: dict[str, str | None]) -> str:
    target = f"INSERT INTO {_qualified(table, SCHEMA)}"
    if not values:
        return f"{target} DEFAULT VALUES"
    names = ", ".join(map(_quoted, values))
    literals = ", ".join("NULL" if text is None else _literal(text) for text in values.values())
    return f"{target} ({names}) VALUES ({literals})"


def _qualified(table: str, schema: str | None) -> str:
    return f"{_quoted(schema)}.{_quoted(table)}" if schema else _quoted(table)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
