"""Inserts rows into every table, with values that fit its columns. A revision that works on an
empty table can fail on a table with rows.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, inspect, text
from sqlalchemy.exc import DBAPIError

from alembic_live.models import load_models
from alembic_live.postgres.candidates import Candidates, filled
from alembic_live.postgres.connection import execute_verbatim
from alembic_live.postgres.explanations import reason_of, sqlstate
from alembic_live.postgres.relations import Relations
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_of
from alembic_live.sql.quoting import identifier
from alembic_live.testing.attempts import Attempt, TableName, insert

VALUES = "values.toml"
ATTEMPTS = 300  # for one row: checks can require a combination of values
UNUSED = 1_000_000  # a number that no sequence has reached

COLUMNS = text(
    """
    SELECT n.nspname AS schema, c.relname AS table_name, a.attname AS name, a.attnotnull AS required,
           format_type(a.atttypid, a.atttypmod) AS type, a.atttypid AS type_oid,
           a.attgenerated <> '' OR a.attidentity <> ''
               OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false) AS is_generated
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE n.nspname !~ '^(pg_|information_schema$)'
      AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> :version
      AND NOT EXISTS (SELECT FROM pg_depend x
                      WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY n.nspname, c.relname, a.attnum
    """
)
# The checks of a table, and what its partitions accept, with the columns concerned.
CHECKS = text(
    """
    SELECT k.conname AS name, pg_get_expr(k.conbin, k.conrelid) AS expression,
           ARRAY(SELECT a.attname::text FROM pg_attribute a
                 WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)) AS columns
    FROM pg_constraint k WHERE k.contype = 'c' AND k.conrelid = to_regclass(:table)
    UNION ALL
    SELECT NULL, string_agg('(' || pg_get_partition_constraintdef(p.relid) || ')', ' OR '),
           ARRAY(SELECT DISTINCT a.attname::text
                 FROM pg_partition_tree(to_regclass(:table)) q
                 JOIN pg_partitioned_table t ON t.partrelid = q.relid
                 JOIN pg_attribute a ON a.attrelid = t.partrelid AND a.attnum = ANY(t.partattrs))
    FROM pg_partition_tree(to_regclass(:table)) p
    WHERE p.isleaf AND p.relid <> to_regclass(:table)
    HAVING count(*) > 0
    """
)
NO_PARTITION = "no partition of relation"


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
    candidates: Candidates = field(init=False)
    values: dict[str, dict[str, list[str]]] = field(init=False)  # of tests/values.toml
    keys: dict[TableName, list[Key]] = field(default_factory=dict)  # as of the last revision
    relations: Relations = field(init=False)  # as of the last revision

    def __post_init__(self) -> None:
        load_models(self.project)
        self.candidates = Candidates(self.connection)
        self.values = _values_of_project(self.project)

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
            self.keys = {table: self._keys_of(table, columns) for table in columns}
        changed = [table for table in columns if self.seen.get(table) != repr(columns[table])]
        self.seen |= {table: repr(columns[table]) for table in changed}
        return self._fill({table: columns[table] for table in changed})

    def _fill(self, tables: dict[TableName, list[Row[Any]]]) -> list[str]:
        """Fill tables in rounds. A table waits until the tables that it references have rows. A table
        that fails is tried again if a later one gets rows. Returns the problems.
        """
        waiting, failed, may_retry = list(tables), dict[TableName, DBAPIError](), False
        while True:
            ready = self._ready(waiting, tables)
            if not ready and may_retry:
                ready, failed, may_retry = list(failed), {}, False
            cycle = [] if ready else self._cycle(waiting, tables)
            if not ready and not cycle:
                break
            waiting = [table for table in waiting if table not in (*ready, *cycle)]
            for group in [[table] for table in ready] or [cycle]:
                if error := self._insert_two_rows(group, tables):
                    failed[group[0]] = error
                else:
                    may_retry = bool(failed)
        problems = [
            f"No row could be inserted into table {table} ({reason_of(error)}).{_advice(table, error)}"
            for table, error in failed.items()
        ]
        # Without a failure, a referenced table gets no rows. Otherwise these are consequences.
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

    def _cycle(
        self, waiting: list[TableName], tables: dict[TableName, list[Row[Any]]]
    ) -> list[TableName]:
        """The smallest set of tables that need each other's rows. Empty if each needs a table that
        gets no rows.
        """
        found = []
        for table in waiting:
            needed = [table]
            for each in needed:  # grows in the loop
                lacking = self._lacking(each, tables[each], required=True) if each in tables else []
                needed += dict.fromkeys(k.referred for k in lacking if k.referred not in needed)
            if {*needed} <= {*waiting}:
                found.append(needed)
        return min(found, key=len, default=[])

    def _is_empty(self, table: TableName) -> bool:
        query = f"SELECT EXISTS (SELECT FROM {table.quoted})"
        with self.connection.begin():
            return not execute_verbatim(self.connection, query).scalar()

    def _insert_two_rows(
        self, tables: list[TableName], columns: dict[TableName, list[Row[Any]]]
    ) -> DBAPIError | None:
        """Insert a row with a value in every column, and one without. Returns an error if Postgres
        accepts neither.
        """
        attempts = {table: self._attempt(table, columns[table]) for table in tables}
        errors = []
        for full in (True, False):
            each = {table: replace(attempt, full=full) for table, attempt in attempts.items()}
            errors.append(self._insert_rows(each))
        return None if None in errors else errors[0]

    def _insert_rows(self, attempts: dict[TableName, Attempt]) -> DBAPIError | None:
        """Try values until Postgres accepts a row in each of these tables, in one statement: their
        foreign keys may form a cycle. Returns the last error if Postgres accepts no values.
        """
        refused: DBAPIError | None = None
        for _ in range(ATTEMPTS):
            self.number += 1
            try:
                with self.connection.begin():
                    rows = {table: self._values(each) for table, each in attempts.items()}
                    self._satisfy_keys(rows, attempts)
                    execute_verbatim(self.connection, insert(rows, attempts))
                return None
            except DBAPIError as error:
                refused = error
            message = " ".join(str(refused.orig).split())
            if NO_PARTITION in message and not any(a.has_partitions for a in attempts.values()):
                return None
            for attempt in attempts.values():
                attempt.choose_again(message)
        return refused

    def _attempt(self, table: TableName, columns: list[Row[Any]]) -> Attempt:
        own = self.values.get(str(table)) or self.values.get(table.table, {})
        with self.connection.begin():
            checks = self.connection.execute(CHECKS, {"table": table.quoted}).all()
        texts: dict[str, list[str]] = {}
        for column in columns:
            if column.is_generated:
                continue
            concerned = [each for each in checks if column.name in each.columns]
            found = self.candidates.of(
                column.type_oid, column.type, [each.expression for each in concerned]
            )
            for check in concerned:
                if [*check.columns] == [column.name]:
                    found = self.candidates.that_satisfy(
                        found, column.name, column.type, check.expression
                    )
            texts[column.name] = [*own.get(column.name, []), *found]
        return Attempt(table, columns, texts, checks)

    def _values(self, attempt: Attempt) -> dict[str, str | None]:
        numbers = {
            "n": self.number,
            "m": self.number + 1,
            "byte": self.number % 250 + 1,
            "time": datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=self.number),
        }
        return {
            name: filled(text, numbers) if text is not None else None
            for name, text in attempt.chosen.items()
        }

    def _satisfy_keys(
        self, rows: dict[TableName, dict[str, str | None]], attempts: dict[TableName, Attempt]
    ) -> None:
        """Give the rows the values of rows that they reference, in the database or beside them."""
        beside: list[tuple[TableName, Key]] = []
        for table, values in rows.items():
            required = attempts[table].required
            for key in self.keys[table]:
                referred = self._row_of(key)
                if referred is None and key.referred in rows and {*key.columns} & required:
                    beside.append((table, key))
                    continue
                for place, name in enumerate(key.columns):
                    if name in values and (referred or name not in required):
                        values[name] = referred[place] if referred else None
        for table, key in beside * len(rows):  # a value may come from the end of a cycle
            for name, referred_name in zip(key.columns, key.referred_columns, strict=True):
                target = rows[key.referred]
                rows[table][name] = target.setdefault(referred_name, str(UNUSED + self.number))

    def _keys_of(self, table: TableName, columns: dict[TableName, list[Row[Any]]]) -> list[Key]:
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
            if set(names) <= {row.name for row in columns.get(referred, [])}:
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


def _advice(table: TableName, error: DBAPIError) -> str:
    """What to do about an error. Other values help only if Postgres refuses these."""
    if not concerns_values(error):
        return ""
    return (
        f" Write values that fit together into tests/{VALUES}: a section [{table}] with a list of "
        'strings for each column, such as status = ["open"].'
    )


def concerns_values(error: BaseException) -> bool:
    """Whether Postgres refuses a value: its form, a constraint, or an exception of a trigger.

    https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    cause: BaseException | None = error
    while cause and not sqlstate(cause):
        cause = cause.__cause__ or cause.__context__
    return cause is not None and sqlstate(cause).startswith(("22", "23", "P0001"))


def _values_of_project(project: Project) -> dict[str, dict[str, list[str]]]:
    path = project.folder / "tests" / VALUES
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
