"""Renamed tables and columns. A comparison shows one dropped and one added; here they are found,
and where a person says that it is a rename, the revision renames.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op_text
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Dialect, inspect
from sqlalchemy.dialects import postgresql

from ...printable import one_line
from .lines import Comment, Line

POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
LOCK_WAIT = "3s"  # a comparison is not worth more of other people's time


@dataclass(frozen=True, slots=True)
class Rename:
    """A table, or a column of one, that has another name in the models. A table may also have
    moved to another schema.
    """

    schema: str | None
    table: str
    column: str | None
    new: str
    new_schema: str | None

    def __str__(self) -> str:
        """As `-x rename=` takes it."""
        if self.column is None:
            return f"{shown(self.schema, self.table)}:{shown(self.new_schema, self.new)}"
        return f"{shown(self.schema, self.table, self.column)}:{shown(self.new)}"

    @property
    def old(self) -> str:
        """The name that is no longer in the models."""
        return str(self).partition(":")[0]


def shown(*names: str | None) -> str:
    """The name of a table, a column or a value for people, behind what it is in: a schema, a table, a
    type. None where it is in none.
    """
    return one_line(".".join(filter(None, names)))


def possible_renames(upgrade: ops.UpgradeOps) -> Iterator[tuple[Rename, bool]]:
    """Everything that could be a rename, and whether it looks like one: a column of the same
    type, a table with the same columns.
    """
    for group in upgrade.ops:
        if isinstance(group, ops.ModifyTableOps):
            for old in [op for op in group.ops if isinstance(op, ops.DropColumnOp)]:
                for new in [op for op in group.ops if isinstance(op, ops.AddColumnOp)]:
                    rename = Rename(
                        group.schema, group.table_name, old.column_name, new.column.name, None
                    )
                    yield rename, _type(old.to_column()) == _type(new.column)
    for op in upgrade.ops:
        if isinstance(op, ops.DropTableOp):
            for other in upgrade.ops:
                if isinstance(other, ops.CreateTableOp):
                    rename = Rename(op.schema, op.table_name, None, other.table_name, other.schema)
                    yield rename, _columns(op.to_table()) == _columns(other.to_table())


def rename(
    migration: MigrationContext, script: ops.MigrationScript, renames: Sequence[Rename]
) -> list[ops.MigrateOperation]:
    """What renames, and leave in the script what is different besides: the database is compared
    once more, with the new names in it, in a transaction that is rolled back.
    """
    connection = migration.connection
    assert connection is not None
    quote = connection.dialect.identifier_preparer.quote
    lines = [line for each in renames for line in _lines(each, quote)]
    with connection.begin_nested() as savepoint:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        for each in renames:
            for statement in _statements(each, quote):
                connection.exec_driver_sql(statement)
        rest = produce_migrations(migration, migration.opts["target_metadata"]).upgrade_ops
        assert rest is not None
        lines += _renamed_keys(migration, renames, quote)
        lines += _renamed_parts(migration, renames, rest, quote)
        savepoint.rollback()
    assert script.upgrade_ops is not None
    caution = Comment(
        "From here on the old name is gone: a version of the service that uses it fails. To keep "
        "both at work, add the new one, write both, copy, and drop the old one later."
    )
    script.upgrade_ops.ops[:] = rest.ops
    return [caution, *lines]


def _lines(each: Rename, quote: Any) -> Iterator[Line]:
    schema = f", schema={each.schema!r}" if each.schema else ""
    if each.column is not None:

        def alter(old: str, new: str) -> str:
            return f"op.alter_column({each.table!r}, {old!r}, new_column_name={new!r}{schema})"

        yield Line(alter(each.column, each.new), alter(each.new, each.column))
        return
    if each.schema != each.new_schema:
        there = f"{_qualified(quote, each.schema, each.table)} SET SCHEMA {quote(each.new_schema or 'public')}"
        back = f"{_qualified(quote, each.new_schema, each.table)} SET SCHEMA {quote(each.schema or 'public')}"
        yield Line.of_sql(f"ALTER TABLE {there}", f"ALTER TABLE {back}")
    if each.table != each.new:
        schema = f", schema={each.new_schema!r}" if each.new_schema else ""
        yield Line(
            f"op.rename_table({each.table!r}, {each.new!r}{schema})",
            f"op.rename_table({each.new!r}, {each.table!r}{schema})",
        )


def _statements(each: Rename, quote: Any) -> Iterator[str]:
    """What the lines do."""
    table = _qualified(quote, each.schema, each.table)
    if each.column is not None:
        yield f"ALTER TABLE {table} RENAME COLUMN {quote(each.column)} TO {quote(each.new)}"
        return
    if each.schema != each.new_schema:
        schema = quote(each.new_schema or "public")
        yield f"CREATE SCHEMA IF NOT EXISTS {schema}"
        yield f"ALTER TABLE {table} SET SCHEMA {schema}"
    if each.table != each.new:
        moved = _qualified(quote, each.new_schema, each.table)
        yield f"ALTER TABLE {moved} RENAME TO {quote(each.new)}"


def _renamed_keys(
    migration: MigrationContext, renames: Sequence[Rename], quote: Any
) -> Iterator[Line]:
    """Primary and foreign keys, whose names a comparison does not look at."""
    connection = migration.connection
    assert connection is not None
    final_name = connection.dialect.identifier_preparer.format_constraint
    affected = {(each.new_schema, each.new) for each in renames if each.column is None}
    affected |= {(each.schema, each.table) for each in renames if each.column is not None}
    inspector = inspect(connection)
    for table in migration.opts["target_metadata"].sorted_tables:
        here = (table.schema, table.name) in affected
        there = {
            (key.referred_table.schema, key.referred_table.name)
            for key in table.foreign_key_constraints
        }
        if not (here or affected & there) or not inspector.has_table(table.name, table.schema):
            continue
        names: dict[Any, str | None] = {}
        if here:
            names["primary"] = inspector.get_pk_constraint(table.name, table.schema)["name"]
        for key in inspector.get_foreign_keys(table.name, table.schema):
            names[tuple(key["constrained_columns"]), key["referred_table"]] = key["name"]
        wanted = {"primary": table.primary_key} | {
            (tuple(key.column_keys), key.referred_table.name): key
            for key in table.foreign_key_constraints
        }
        for which, old in names.items():
            new = final_name(wanted[which]) if which in wanted else None
            if old and new and quote(old) != new:
                yield _renamed_constraint(quote, table.schema, table.name, quote(old), new)


def _renamed_parts(
    migration: MigrationContext, renames: Sequence[Rename], upgrade: ops.UpgradeOps, quote: Any
) -> Iterator[Line]:
    """Indexes and constraints that are the same under another name; they are taken out of the
    operations.
    """
    context = AutogenContext(migration, migration.opts["target_metadata"])

    def is_same(old: Any, new: Any) -> bool:
        """Whether the operations make the same thing, whatever its name. Postgres words a check
        in its own way, so of those the names decide.
        """
        if type(old) is not type(new):
            return False
        if isinstance(new, ops.CreateCheckConstraintOp):
            return any(
                _name(old).replace(each.column or each.table, each.new) == _name(new)
                for each in renames
            )
        before, after = (
            re.sub(
                rf"(op\.f\()?{re.escape(repr(_name(item)))}\)?",
                "",
                render_op_text(context, item),
                count=1,
            )
            for item in (old, new)
        )
        return before == after

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
                yield Line.of_sql(
                    f"ALTER INDEX {_qualified(quote, group.schema, str(old.index_name))}"
                    f" RENAME TO {quote(str(same.index_name))}",
                    f"ALTER INDEX {_qualified(quote, group.schema, str(same.index_name))}"
                    f" RENAME TO {quote(str(old.index_name))}",
                )
            else:
                yield _renamed_constraint(
                    quote, group.schema, group.table_name,
                    quote(str(old.constraint_name)), quote(str(same.constraint_name)),
                )  # fmt: skip


def _renamed_constraint(quote: Any, schema: str | None, table: str, old: str, new: str) -> Line:
    head = f"ALTER TABLE {_qualified(quote, schema, table)} RENAME CONSTRAINT"
    return Line.of_sql(f"{head} {old} TO {new}", f"{head} {new} TO {old}")


def _name(item: Any) -> str:
    return str(item.index_name if isinstance(item, ops.CreateIndexOp) else item.constraint_name)


def _qualified(quote: Any, schema: str | None, name: str) -> str:
    return f"{quote(schema)}.{quote(name)}" if schema else str(quote(name))


def _type(column: Any) -> str:
    return str(column.type.compile(dialect=POSTGRESQL))


def _columns(table: Any) -> set[str]:
    return set(table.columns.keys())
