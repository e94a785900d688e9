"""Renamed tables, columns and enums. A comparison reports a rename as a drop and an addition. If the user
confirms the rename, the revision renames instead.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, inspect

from alembic_live.autogenerate.arguments import means, split, written
from alembic_live.autogenerate.compare import differences_from
from alembic_live.autogenerate.enum_renames import (
    REASON,
    EnumRename,
    ValueRename,
    lines_of,
    possible_enum_renames,
)
from alembic_live.autogenerate.following_names import following_names, in_order, temporary
from alembic_live.autogenerate.rendering import POSTGRESQL, Comment, Line, sql_name
from alembic_live.autogenerate.zero_downtime import metadatas_of
from alembic_live.postgres.connection import execute_verbatim
from alembic_live.postgres.schemas import schema_name
from alembic_live.sql.quoting import word

TableName = tuple[str | None, str]  # the schema, and the name
Name = TypeVar("Name")

LOCK_WAIT = "3s"  # a comparison must not block other sessions for longer


@dataclass(frozen=True, slots=True)
class Rename:
    """A table or column that has a new name in the models. A table can also move to another
    schema.
    """

    schema: str | None
    table: str
    column: str | None
    new: str
    new_schema: str | None

    def __str__(self) -> str:
        """As in `-x rename=`."""
        return f"{self.old}:{written(self.new_schema, self.new)}"

    @property
    def old(self) -> str:
        """The name in the database, as in `-x allow-drop=`."""
        return written(self.schema, self.table, self.column)


AnyRename = Rename | EnumRename | ValueRename


def possible_renames(upgrade: ops.UpgradeOps) -> Iterator[tuple[AnyRename, bool]]:
    """Every possible rename, and whether it is likely: a column of the same type, or a table with
    the same columns.
    """
    yield from possible_enum_renames(upgrade)
    for group in upgrade.ops:
        if isinstance(group, ops.ModifyTableOps):
            for old in [op for op in group.ops if isinstance(op, ops.DropColumnOp)]:
                for new in [op for op in group.ops if isinstance(op, ops.AddColumnOp)]:
                    possible = Rename(
                        group.schema, group.table_name, old.column_name, new.column.name, None
                    )
                    yield possible, _type(old.to_column()) == _type(new.column)
    for op in upgrade.ops:
        if isinstance(op, ops.DropTableOp):
            for other in upgrade.ops:
                if isinstance(other, ops.CreateTableOp):
                    possible = Rename(
                        op.schema, op.table_name, None, other.table_name, other.schema
                    )
                    yield possible, _columns(op.to_table()) == _columns(other.to_table())


def requested_renames(
    texts: Collection[str], migration: MigrationContext, possible: Sequence[AnyRename]
) -> list[AnyRename]:
    """The renames that the user asks for, in an order in which they can run.

    Args:
        texts: what `-x rename=` says.
        migration: the context of the comparison.
        possible: the renames that the differences allow, for the message.

    Raises:
        CommandError: a text names no table or column of the database, or none of the models, or a
            new name that is taken; the text lists the possible ones.
    """
    found = _Request(migration)
    enums = [each for each in possible if not isinstance(each, Rename) and str(each) in texts]
    of_enums = set(map(str, enums))
    unknown = [text for text in texts if text not in of_enums and not found.add_table(text)]
    unknown = [text for text in unknown if not found.add_column(text)]
    unknown += found.conflicts()
    if unknown:
        there_are = [f"-x {word(f'rename={each}')}" for each in possible]
        raise CommandError(
            f"-x rename={','.join(sorted(set(unknown)))}: the models and the database have no such "
            "difference. Write table.column:new_name, table:new_name, enum:new_name or "
            "enum.value:new_value, and names that contain "
            'one of .,:" with quotation marks. The old name must be in the database, and the new '
            f"name in the models only. "
            + (f"Possible are: {' or '.join(there_are)}." if there_are else "None is possible.")
        )
    return [*enums, *found.renames()]


class _Request:
    """What `-x rename=` asks for, resolved with the names in the database and in the models."""

    def __init__(self, migration: MigrationContext) -> None:
        assert migration.connection is not None
        self.inspector = inspect(migration.connection)
        self.default = migration.connection.dialect.default_schema_name
        models = [each for one in metadatas_of(migration) for each in one.tables.values()]
        self.models = {(each.schema, each.name): each for each in models}
        present = self.inspector.get_schema_names()
        self.present: set[TableName] = {
            (schema, name)
            for schema in {each.schema for each in [*models, *metadatas_of(migration)]}
            if schema is None or schema in present
            for name in self.inspector.get_table_names(schema)
        }
        self.texts: dict[Any, str] = {}
        self.tables: dict[TableName, TableName] = {}
        self.columns: dict[TableName, dict[str, str]] = {}  # by the new name of the table

    def add_table(self, text: str) -> bool:
        """Take a text that renames a table."""
        old, new = self._halves(text)
        for here in self.present:
            if means(old, here, self.default):
                for there in self.models:
                    if here != there and means(new, there, self.default):
                        self.tables[here] = there
                        self.texts[here] = text
                        return True
        return False

    def add_column(self, text: str) -> bool:
        """Take a text that renames a column. The table can have its old or its new name."""
        old, new = self._halves(text)
        before = {there: here for here, there in self.tables.items()}
        for there, model in self.models.items():
            here = before.get(there, there)
            if here not in self.present or not any(name in old for name in (here[1], there[1])):
                continue
            for column in self._columns(here):
                if not any(means(old, (*one, column), self.default) for one in (here, there)):
                    continue
                for other in model.columns:
                    if column != other.name and means(new, (other.name,), None):
                        self.columns.setdefault(there, {})[column] = other.name
                        self.texts[there, column] = text
                        return True
        return False

    def conflicts(self) -> list[str]:
        """The texts whose new name is taken."""
        found = [self.texts[each] for each in _conflicts(self.tables, self.present)]
        before = {there: here for here, there in self.tables.items()}
        for table, columns in self.columns.items():
            taken = self._columns(before.get(table, table))
            found += [self.texts[table, each] for each in _conflicts(columns, taken)]
        return found

    def renames(self) -> list[Rename]:
        """All of them: first the tables, then the columns of the renamed tables."""
        tables = [
            Rename(old[0], old[1], None, new[1], new[0])
            for old, new in in_order(self.tables, lambda name: (name[0], temporary(name[1])))
        ]
        columns = [
            Rename(*table, old, new, None)
            for table, names in self.columns.items()
            for old, new in in_order(names, temporary)
        ]
        return tables + columns

    def _halves(self, text: str) -> tuple[str, str]:
        old, *new = split(text, ":")
        return old, new[0] if len(new) == 1 else ""

    def _columns(self, table: TableName) -> set[str]:
        schema, name = table
        return {column["name"] for column in self.inspector.get_columns(name, schema)}


def _conflicts(renames: dict[Name, Name], taken: set[Name]) -> list[Name]:
    news = list(renames.values())
    return [
        old
        for old, new in renames.items()
        if news.count(new) > 1 or (new in taken and new not in renames)
    ]


class Renaming(NamedTuple):
    """Renames as operations of a revision, and as SQL."""

    operations: list[ops.MigrateOperation]
    statements: list[str]


def rename(
    migration: MigrationContext, script: ops.MigrationScript, renames: Sequence[AnyRename]
) -> Renaming:
    """Return what renames, and leave the other differences in the script. To find those, the renames
    run in a savepoint, the database is compared again, and the savepoint is rolled back.
    """
    if not renames:
        return Renaming([], [])
    connection = migration.connection
    assert connection is not None
    statements = [statement for each in renames for statement in _statements(each)]
    with renamed(connection, []) as rename_also:
        with following_names(connection, metadatas_of(migration)) as followers:
            rename_also(statements)
        rest = differences_from(migration, metadatas_of(migration))
    assert script.upgrade_ops is not None
    script.upgrade_ops.ops[:] = rest.ops
    caution = Comment(
        "From this revision on, a version of the service that uses the old name fails. To support "
        "both names, add the new one, write both, copy the data, and drop the old one later."
    )
    lines = [line for each in renames for line in _lines(each)]
    return Renaming([caution, *lines, *followers], statements + [each.line for each in followers])


@contextmanager
def renamed(
    connection: Connection, statements: Sequence[str]
) -> Iterator[Callable[[Sequence[str]], None]]:
    """A block in which tables and columns have their new names. They are rolled back at its end.

    Args:
        connection: the connection.
        statements: the SQL that renames. The block can run more of it.
    """

    def run(statements: Sequence[str]) -> None:
        for statement in statements:
            execute_verbatim(connection, statement)

    savepoint = connection.begin_nested()
    try:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        run(statements)
        yield run
    finally:
        savepoint.rollback()


def _lines(each: AnyRename) -> Iterator[Line]:
    if not isinstance(each, Rename):
        yield from lines_of(each)
        return
    schema = f", schema={each.schema!r}" if each.schema else ""
    if each.column is not None:

        def alter(old: str, new: str) -> str:
            return f"op.alter_column({each.table!r}, {old!r}, new_column_name={new!r}{schema})"

        yield _allowed(
            "renaming-column", alter(each.column, each.new), alter(each.new, each.column)
        )
        return
    if each.schema != each.new_schema:
        old, new = sql_name(schema_name(each.schema)), sql_name(schema_name(each.new_schema))
        yield Line.of_sql(
            f"ALTER TABLE {sql_name(each.schema, each.table)} SET SCHEMA {new}",
            f"ALTER TABLE {sql_name(each.new_schema, each.table)} SET SCHEMA {old}",
            allows=f"ban-set-schema: {REASON}",
        )
    if each.table != each.new:
        schema = f", schema={each.new_schema!r}" if each.new_schema else ""
        yield _allowed(
            "renaming-table",
            f"op.rename_table({each.table!r}, {each.new!r}{schema})",
            f"op.rename_table({each.new!r}, {each.table!r}{schema})",
        )


def _allowed(rule: str, there: str, back: str) -> Line:
    line = Line(there, back)
    line.allows = f"{rule}: {REASON}"
    return line


def _statements(each: AnyRename) -> Iterator[str]:
    """The SQL of the lines."""
    if not isinstance(each, Rename):
        yield from (there for there, _ in each.changes())
        return
    table = sql_name(each.schema, each.table)
    if each.column is not None:
        yield f"ALTER TABLE {table} RENAME COLUMN {sql_name(each.column)} TO {sql_name(each.new)}"
        return
    if each.schema != each.new_schema:
        schema = sql_name(schema_name(each.new_schema))
        yield f"CREATE SCHEMA IF NOT EXISTS {schema}"
        yield f"ALTER TABLE {table} SET SCHEMA {schema}"
    if each.table != each.new:
        moved = sql_name(each.new_schema, each.table)
        yield f"ALTER TABLE {moved} RENAME TO {sql_name(each.new)}"


def _type(column: Any) -> str:
    return str(column.type.compile(dialect=POSTGRESQL))


def _columns(table: Any) -> set[str]:
    return set(table.columns.keys())
