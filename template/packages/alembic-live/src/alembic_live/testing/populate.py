"""Inserts rows into every table, with values that fit its columns. A revision that works on an
empty table can fail on a table with rows.
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

from alembic_live.models import load_models
from alembic_live.postgres.connection import execute_verbatim
from alembic_live.postgres.explanations import reason_of
from alembic_live.postgres.relations import Relations
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_of
from alembic_live.sql.quoting import identifier, literal

VALUES = "values.toml"
ATTEMPTS = 300  # for one row: checks can require a combination of values

COLUMNS = text(
    """
    SELECT n.nspname AS schema, c.relname AS table_name, a.attname AS name, t.typlen, a.attnotnull AS required,
           format_type(a.atttypid, a.atttypmod) AS type,
           coalesce(b.typcategory, t.typcategory)::text AS category,
           a.attgenerated <> '' OR a.attidentity <> ''
               OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false) AS is_generated,
           ARRAY(SELECT enumlabel::text FROM pg_enum e WHERE e.enumtypid = a.atttypid
                 ORDER BY enumsortorder) AS labels
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_type b ON b.oid = t.typbasetype
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE n.nspname !~ '^(pg_|information_schema$)'
      AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> :version
      AND NOT EXISTS (SELECT FROM pg_depend x
                      WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY n.nspname, c.relname, a.attnum
    """
)
CHECKED = text(
    "SELECT a.attname FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid"
    " AND a.attnum = ANY(k.conkey) WHERE k.conname = :name AND k.conrelid = to_regclass(:table)"
)
VIOLATED = re.compile(r'violates check constraint "([^"]+)"')
NO_PARTITION = "no partition of relation"

# Of PostGIS. A shape without a reference system gets that of its column.
SHAPES = [
    *("POINT(%(byte)d 1)", "LINESTRING(0 0,%(byte)d 1)", "POLYGON((0 0,%(byte)d 0,0 1,0 0))"),
    *("MULTIPOINT((%(byte)d 1))", "MULTILINESTRING((0 0,%(byte)d 1))"),
    *("MULTIPOLYGON(((0 0,%(byte)d 0,0 1,0 0)))", "GEOMETRYCOLLECTION(POINT(%(byte)d 1))"),
    *("POINT Z(%(byte)d 1 1)", "LINESTRING Z(0 0 0,%(byte)d 1 1)", "POINT M(%(byte)d 1 1)"),
    *("POLYGON Z((0 0 0,%(byte)d 0 0,0 1 0,0 0 0))", "POINT ZM(%(byte)d 1 1 1)"),
]

# Strings that Postgres accepts as values of a type, by the type's name or category:
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
    "geography": SHAPES,
    "geometry": SHAPES,
    "hstore": ["a=>%(n)d"],
    "ltree": ["a.b%(n)d"],
    "bytea": ["\\x%(byte)02x", "\\x"],
    "json": ["{}", "[]", '{"a": %(n)d}', "1"],
    "jsonb": ["{}", "[]", '{"a": %(n)d}', "1"],
    "macaddr": ["08:00:2b:01:02:%(byte)02x"],
    "tsvector": ["a%(n)d"],
    "uuid": ["00000000-0000-4000-8000-%(n)012d"],
    "xml": ["<a/>"],
}


class TableName(NamedTuple):
    """A table's schema and name."""

    schema: str
    table: str

    def __str__(self) -> str:
        return self.table if self.schema == "public" else f"{self.schema}.{self.table}"

    @property
    def quoted(self) -> str:
        """The name in SQL."""
        return identifier(self.schema, self.table)


class Key(NamedTuple):
    """A foreign key: its columns, and the columns that they reference."""

    columns: Sequence[str]
    referred: TableName
    referred_columns: Sequence[str]
    exists: bool = True  # in the database; otherwise a model has it


@dataclass
class Population:
    """The rows that were inserted so far."""

    project: Project
    connection: Connection
    seen: dict[TableName, str] = field(default_factory=dict)  # the columns of each table
    number: int = 0  # of the last attempt
    usable: dict[str, list[str]] = field(default_factory=dict)  # strings, by type
    keys: dict[TableName, list[Key]] = field(default_factory=dict)  # as of the last revision
    relations: Relations = field(init=False)  # as of the last revision

    def __post_init__(self) -> None:
        load_models(self.project)

    def grow(self) -> list[str]:
        """Insert two rows into each table that is new or has changed: one with a value in every
        column, one with NULL in every nullable column.

        Returns:
            A sentence for each table that gets no row.
        """
        columns: dict[TableName, list[Row[Any]]] = {}
        versions = configuration_of(self.project, self.connection).version_table
        with self.connection.begin():
            for row in self.connection.execute(COLUMNS, {"version": versions.name}):
                columns.setdefault(TableName(row.schema, row.table_name), []).append(row)
            self.relations = Relations.of(self.connection)
            self.keys = {table: self._keys_of(table) for table in columns}
        changed = [table for table in columns if self.seen.get(table) != repr(columns[table])]
        self.seen |= {table: repr(columns[table]) for table in changed}
        return self._fill({table: columns[table] for table in changed})

    def _fill(self, tables: dict[TableName, list[Row[Any]]]) -> list[str]:
        """Fill tables in rounds. A table waits until the tables that it references have rows. A table
        that fails is tried again if a later one gets rows. Returns the problems.
        """
        waiting, failed, may_retry = list(tables), dict[TableName, str](), False
        while True:
            ready = self._ready(waiting, tables)
            if not ready and may_retry:
                ready, failed, may_retry = list(failed), {}, False
            if not ready:
                break
            waiting = [table for table in waiting if table not in ready]
            for table in ready:
                errors = [self._insert_row(table, tables[table], full) for full in (True, False)]
                if None in errors:
                    may_retry = bool(failed)
                else:
                    failed[table] = str(errors[0])
        problems = [
            f"No row could be inserted into table {table} ({error}). Write values that fit together "
            f"into tests/{VALUES}: a section [{table}] with a list of strings for each column, such "
            'as status = ["open"].'
            for table, error in failed.items()
        ]
        # Without a failure, NOT NULL keys form a cycle. Otherwise these are consequences.
        return problems or [
            f"No row could be inserted into table {table}: column {', '.join(key.columns)} is NOT "
            f"NULL and references {key.referred}, which has no rows."
            for table in waiting
            for key in self._lacking(table, tables[table], required=True)[:1]
        ]

    def _ready(
        self, waiting: list[TableName], tables: dict[TableName, list[Row[Any]]]
    ) -> list[TableName]:
        """The tables whose references all have rows. If there are none, one table whose other
        references can be NULL.
        """
        ready = [table for table in waiting if not self._lacking(table, tables[table])]
        return (
            ready
            or [
                table for table in waiting if not self._lacking(table, tables[table], required=True)
            ][:1]
        )

    def _lacking(
        self, table: TableName, columns: list[Row[Any]], *, required: bool = False
    ) -> list[Key]:
        """The foreign keys to other tables without rows. With `required`, only those that forbid a
        row.
        """
        names = {column.name for column in columns if column.required or not required}
        return [
            key
            for key in self.keys[table]
            if key.referred != table
            and (key.exists or not required)
            and (names >= {*key.columns} if required else names & {*key.columns})
            and self._is_empty(key.referred)
        ]

    def _is_empty(self, table: TableName) -> bool:
        query = f"SELECT EXISTS (SELECT FROM {table.quoted})"
        with self.connection.begin():
            return not execute_verbatim(self.connection, query).scalar()

    def _insert_row(self, table: TableName, columns: list[Row[Any]], full: bool) -> str | None:
        """Try values until Postgres accepts them. Returns the last error if it accepts none."""
        rng = random.Random(table.table)
        values_of = _values_of_project(self.project)
        own = values_of.get(str(table)) or values_of.get(table.table, {})
        texts = {c.name: [*own.get(c.name, []), *self._texts_for(c)] for c in columns}
        choice = dict.fromkeys(texts, 0)
        refused: DBAPIError | None = None
        for _ in range(ATTEMPTS):
            self.number += 1
            try:
                with self.connection.begin():
                    values = self._values(table, columns, texts, choice, full)
                    execute_verbatim(self.connection, _insert(table, values))
                return None
            except DBAPIError as error:
                refused = error
            message = " ".join(str(refused.orig).split())
            if NO_PARTITION in message:
                return None  # the table may have no partitions yet
            check = VIOLATED.search(message)
            for name in self._columns_of_check(table, check[1]) if check else list(texts):
                choice[name] = rng.randrange(max(1, len(texts[name])))
        return reason_of(refused) if refused else ""

    def _values(
        self,
        table: TableName,
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
            if column.is_generated or not (full or column.required):
                continue
            options = texts[column.name]
            text = options[choice[column.name] % len(options)] if options else None
            if text is not None and "%(" in text:
                text = text % numbers
            length = re.search(r"\((\d+)\)", column.type) if column.category == "S" else None
            values[column.name] = text[: int(length[1])] if text and length else text
        required = {column.name for column in columns if column.required}
        for key in self.keys[table]:
            referred = self._row_of(key)
            for place, name in enumerate(key.columns):
                if name in values and (referred or name not in required):
                    values[name] = referred[place] if referred else None
        return values

    def _keys_of(self, table: TableName) -> list[Key]:
        """The foreign keys of the table, and those of its current model. Rows satisfy a key that a
        later revision adds.
        """
        keys = [
            Key(
                k["constrained_columns"],
                TableName(*self.relations.named(k["referred_schema"], k["referred_table"])),
                k["referred_columns"],
            )
            for k in inspect(self.connection).get_foreign_keys(
                table.table, self._unless_default(table.schema)
            )
        ]
        model = next(
            (
                each
                for each in self.project.tables
                if (each.schema or self._default, each.name) == table
            ),
            None,
        )
        for constraint in model.foreign_key_constraints if model is not None else ():
            target = constraint.referred_table
            referred = TableName(target.schema or self._default, target.name)
            names = [element.column.name for element in constraint.elements]
            inspector = inspect(self.connection)
            if inspector.has_table(referred.table, referred.schema) and set(names) <= {
                column["name"] for column in inspector.get_columns(referred.table, referred.schema)
            }:
                keys.append(Key(constraint.column_keys, referred, names, exists=False))
        return keys

    @property
    def _default(self) -> str:
        """The schema of tables whose model names no schema."""
        return self.connection.dialect.default_schema_name or "public"

    def _unless_default(self, schema: str) -> str | None:
        return None if schema == self._default else schema

    def _row_of(self, key: Key) -> Row[Any] | None:
        """Values that a foreign key can have, as strings. None if the referenced table is empty."""
        names = ", ".join(f"{identifier(name)}::text" for name in key.referred_columns)
        query = f"SELECT {names} FROM {key.referred.quoted} ORDER BY random() LIMIT 1"
        return execute_verbatim(self.connection, query).first()

    def _texts_for(self, column: Row[Any]) -> list[str]:
        """Strings that Postgres accepts as values of the column's type."""
        if column.labels:
            return list(column.labels)
        if column.type not in self.usable:
            name = column.type.partition("(")[0].rpartition(".")[2]
            candidates = (
                _vectors(name, column.type)
                or TEXTS.get(name)
                or TEXTS.get(column.category)
                or [text for texts in TEXTS.values() for text in texts]
            )
            self.usable[column.type] = [
                text for text in candidates if self._is_accepted(text, column.type)
            ]
        return self.usable[column.type]

    def _is_accepted(self, text: str, type_: str) -> bool:
        numbers = {"n": 1, "m": 2, "byte": 1, "time": "2024-01-01"}
        value = text % numbers if "%(" in text else text
        try:
            with self.connection.begin():
                execute_verbatim(self.connection, f"SELECT CAST({literal(value)} AS {type_})")
        except DBAPIError:
            return False
        return True

    def _columns_of_check(self, table: TableName, name: str) -> list[str]:
        with self.connection.begin():
            values = {"name": name, "table": table.quoted}
            return list(self.connection.execute(CHECKED, values).scalars())


def _vectors(name: str, type_: str) -> list[str]:
    """Strings for the types of pgvector, which have as many numbers as the type says."""
    if name not in ("vector", "halfvec", "sparsevec"):
        return []
    size = re.search(r"\((\d+)\)", type_)
    length = int(size[1]) if size else 3
    return (
        [f"{{1:%(byte)d}}/{length}"]
        if name == "sparsevec"
        else [f"[{'%(byte)d,' * (length - 1)}1]"]
    )


def _values_of_project(project: Project) -> dict[str, dict[str, list[str]]]:
    path = project.folder / "tests" / VALUES
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _insert(table: TableName, values: dict[str, str | None]) -> str:
    target = f"INSERT INTO {table.quoted}"
    if not values:
        return f"{target} DEFAULT VALUES"
    names = ", ".join(map(identifier, values))
    literals = ", ".join("NULL" if text is None else literal(text) for text in values.values())
    return f"{target} ({names}) VALUES ({literals})"
