"""Renamed tables, columns and enums. A comparison reports a rename as a drop and an addition. If the user
confirms the rename, the revision renames instead.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from alembic_live.autogenerate.compare import differences_from
from alembic_live.autogenerate.enum_renames import (
    EnumRename,
    ValueRename,
    lines_of,
    possible_enum_renames,
)
from alembic_live.autogenerate.rendering import (
    POSTGRESQL,
    Comment,
    Line,
    display_name,
    sql_name,
)
from alembic_live.autogenerate.zero_downtime import metadatas_of
from alembic_live.internals.alembic import rendered
from alembic_live.postgres.connection import execute_verbatim
from alembic_live.postgres.schemas import schema_name

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
        if self.column is None:
            return (
                f"{display_name(self.schema, self.table)}:{display_name(self.new_schema, self.new)}"
            )
        return f"{display_name(self.schema, self.table, self.column)}:{display_name(self.new)}"

    @property
    def old(self) -> str:
        """The name in the database, as in `-x allow-drop=`."""
        return str(self).partition(":")[0]


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


def rename(
    migration: MigrationContext, script: ops.MigrationScript, renames: Sequence[AnyRename]
) -> list[ops.MigrateOperation]:
    """Return the operations that rename, and leave the other differences in the script. To find
    those, the renames run in a savepoint, the database is compared again, and the savepoint is
    rolled back.
    """
    connection = migration.connection
    assert connection is not None
    lines = [line for each in renames for line in _lines(each)]
    with connection.begin_nested() as savepoint:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        for each in renames:
            for statement in _statements(each):
                execute_verbatim(connection, statement)
        rest = differences_from(migration, metadatas_of(migration))
        of_tables = [each for each in renames if isinstance(each, Rename)]
        lines += _renamed_keys(migration, of_tables)
        lines += _renamed_parts(migration, of_tables, rest)
        savepoint.rollback()
    assert script.upgrade_ops is not None
    caution = Comment(
        "From this revision on, a version of the service that uses the old name fails. To support "
        "both names, add the new one, write both, copy the data, and drop the old one later."
    )
    script.upgrade_ops.ops[:] = rest.ops
    return [caution, *lines]


def _lines(each: AnyRename) -> Iterator[Line]:
    if not isinstance(each, Rename):
        yield from lines_of(each)
        return
    schema = f", schema={each.schema!r}" if each.schema else ""
    if each.column is not None:

        def alter(old: str, new: str) -> str:
            return f"op.alter_column({each.table!r}, {old!r}, new_column_name={new!r}{schema})"

        yield Line(alter(each.column, each.new), alter(each.new, each.column))
        return
    if each.schema != each.new_schema:
        old, new = sql_name(schema_name(each.schema)), sql_name(schema_name(each.new_schema))
        yield Line.of_sql(
            f"ALTER TABLE {sql_name(each.schema, each.table)} SET SCHEMA {new}",
            f"ALTER TABLE {sql_name(each.new_schema, each.table)} SET SCHEMA {old}",
        )
    if each.table != each.new:
        schema = f", schema={each.new_schema!r}" if each.new_schema else ""
        yield Line(
            f"op.rename_table({each.table!r}, {each.new!r}{schema})",
            f"op.rename_table({each.new!r}, {each.table!r}{schema})",
        )


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


def _renamed_keys(migration: MigrationContext, renames: Sequence[Rename]) -> Iterator[Line]:
    """Primary and foreign keys that get a new name. A comparison ignores the names of keys."""
    connection = migration.connection
    assert connection is not None
    final_name = POSTGRESQL.identifier_preparer.format_constraint
    renamed = {(each.new_schema, each.new) for each in renames if each.column is None}
    renamed |= {(each.schema, each.table) for each in renames if each.column is not None}
    inspector = inspect(connection)
    for table in (each for one in metadatas_of(migration) for each in one.sorted_tables):
        is_renamed = (table.schema, table.name) in renamed
        referred = {
            (key.referred_table.schema, key.referred_table.name)
            for key in table.foreign_key_constraints
        }
        if not (is_renamed or renamed & referred) or not inspector.has_table(
            table.name, table.schema
        ):
            continue
        names: dict[Any, str | None] = {}
        if is_renamed:
            names["primary"] = inspector.get_pk_constraint(table.name, table.schema)["name"]
        for key in inspector.get_foreign_keys(table.name, table.schema):
            names[tuple(key["constrained_columns"]), key["referred_table"]] = key["name"]
        wanted = {"primary": table.primary_key} | {
            (tuple(key.column_keys), key.referred_table.name): key
            for key in table.foreign_key_constraints
        }
        for which, old in names.items():
            new = final_name(wanted[which]) if which in wanted else None
            if old and new and sql_name(old) != new:
                yield _renamed_constraint(table.schema, table.name, sql_name(old), new)


def _renamed_parts(
    migration: MigrationContext, renames: Sequence[Rename], upgrade: ops.UpgradeOps
) -> Iterator[Line]:
    """Indexes and constraints that only get a new name. Their drops and additions are removed from
    `upgrade`.
    """
    context = AutogenContext(migration)

    def is_same(old: Any, new: Any) -> bool:
        """Whether two operations differ in the name only. For checks the names decide, because
        Postgres rewrites their conditions.
        """
        if type(old) is not type(new):
            return False
        if isinstance(new, ops.CreateCheckConstraintOp):
            return any(
                _name(old).replace(each.column or each.table, each.new) == _name(new)
                for each in renames
            )
        return without_name(old) == without_name(new)

    def without_name(item: Any) -> str:
        name = rf"(op\.f\()?{re.escape(repr(_name(item)))}\)?"
        code = re.sub(name, "", rendered(context, item), count=1)
        # SQLAlchemy reflects this default, and models rarely set it.
        return code.replace(", postgresql_nulls_not_distinct=False", "")

    for group in upgrade.ops:
        if not isinstance(group, ops.ModifyTableOps):
            continue
        added = [
            item for item in group.ops if isinstance(item, ops.CreateIndexOp | ops.AddConstraintOp)
        ]
        for old in list(group.ops):
            if not isinstance(old, ops.DropIndexOp | ops.DropConstraintOp):
                continue
            before = old.reverse()
            same: Any = next((new for new in added if is_same(before, new)), None)
            if same is None:
                continue
            added.remove(same)
            group.ops.remove(same)
            group.ops.remove(old)
            if isinstance(old, ops.DropIndexOp):
                old_name, new_name = str(old.index_name), str(same.index_name)
                there = f"{sql_name(group.schema, old_name)} RENAME TO {sql_name(new_name)}"
                back = f"{sql_name(group.schema, new_name)} RENAME TO {sql_name(old_name)}"
                yield Line.of_sql(f"ALTER INDEX {there}", f"ALTER INDEX {back}")
            else:
                yield _renamed_constraint(
                    group.schema,
                    group.table_name,
                    sql_name(str(old.constraint_name)),
                    sql_name(str(same.constraint_name)),
                )


def _renamed_constraint(schema: str | None, table: str, old: str, new: str) -> Line:
    head = f"ALTER TABLE {sql_name(schema, table)} RENAME CONSTRAINT"
    return Line.of_sql(f"{head} {old} TO {new}", f"{head} {new} TO {old}")


def _name(item: Any) -> str:
    return str(item.index_name if isinstance(item, ops.CreateIndexOp) else item.constraint_name)


def _type(column: Any) -> str:
    return str(column.type.compile(dialect=POSTGRESQL))


def _columns(table: Any) -> set[str]:
    return set(table.columns.keys())
