"""Changes that block other sessions for long, or fail on existing rows. Changes that must fail are
refused. The others get a comment in the revision and a warning in the log.
"""

import logging
from collections.abc import Sequence
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import JSON, Column, Connection, Dialect, Identity, MetaData, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import CreateColumn

from alembic_live.autogenerate.enum_replacement import ReplaceEnum
from alembic_live.autogenerate.probe import DATATYPE_MISMATCH, rewrites
from alembic_live.autogenerate.rendering import (
    POSTGRESQL,
    BlockingLine,
    Comment,
    display_name,
    sql_name,
)
from alembic_live.autogenerate.type_changes import TypeChange
from alembic_live.autogenerate.zero_downtime import (
    created_tables,
    is_partitioned,
    kind_of,
    metadatas_of,
)
from alembic_live.printable import one_line

log = logging.getLogger("alembic.autogenerate")

REWRITES = "Rewrites {table} under ACCESS EXCLUSIVE, so reads and writes block"

# Why a change rewrites the table, and what to write instead.
RECIPES = {
    "default": "the default of {column} is computed for each row. To avoid that, add the column "
    "without the default. In a later revision, set the default for new rows (op.alter_column). "
    "Fill the old rows with update_in_batches, then make the column NOT NULL.",
    "computed": "{column} is computed for each row. To avoid that on Postgres 18, compute the "
    "column when it is read (Computed(..., persisted=False)). Before Postgres 18, add a plain "
    "column that the service or a trigger fills, and fill the old rows with update_in_batches.",
    "identity": "each row gets a number in {column}. To avoid that, add a plain column, fill it in "
    "batches, then make it an identity (op.alter_column(server_default=sa.Identity())).",
    "type": "{type} stores the values of {column} differently. To avoid that, add a column of the "
    "new type and let the service write both. Copy the old values with update_in_batches, read the new "
    "column, then drop the old one.",
    "enum": "the type is recreated. To avoid that, only add values, or rename them "
    "(ALTER TYPE … RENAME VALUE).",
}


def check_new_columns(upgrade: ops.UpgradeOps) -> None:
    """Check that existing rows get a value in each new NOT NULL column.

    Raises:
        CommandError: they do not get one; the text says what to do.
    """
    new = created_tables(upgrade)
    names = [
        display_name(item.schema, item.table_name, item.column.name)
        for group in upgrade.ops
        if isinstance(group, ops.ModifyTableOps) and (group.schema, group.table_name) not in new
        for item in group.ops
        if isinstance(item, ops.AddColumnOp) and needs_value(item.column)
    ]
    if names:
        raise CommandError(
            f"No revision was written. {', '.join(names)}: NOT NULL without a server default, so "
            "the revision fails if the table has rows (a Python default=… does not apply to them). "
            "Add a server_default. Or use three revisions: allow NULL in this one "
            "(Mapped[… | None]), fill the rows in the next (update_in_batches), and make the "
            "column NOT NULL in the third. Autogenerate writes the third one so that it does not "
            "block reads and writes."
        )


def add_warnings(migration: MigrationContext, script: ops.MigrationScript) -> None:
    """Write a comment above each change that blocks other sessions, and log a warning."""
    metadatas = metadatas_of(migration)
    for container, prefix in (
        (script.upgrade_ops, ""),
        (script.downgrade_ops, "In the downgrade: "),
    ):
        assert container is not None
        new = created_tables(container) if isinstance(container, ops.UpgradeOps) else set()
        for group in list(container.ops):
            if isinstance(group, ops.ModifyTableOps):
                is_new = (group.schema, group.table_name) in new
                for item in list(group.ops):
                    text = _warning(migration, metadatas, item, is_new)
                    _add_warning(group.ops, item, prefix, text)
            elif isinstance(group, ops.CreateTableOp):
                for column in group.to_table().columns:
                    text = _json_warning(migration.dialect, column, group.table_name)
                    _add_warning(container.ops, group, prefix, text)
            elif isinstance(group, ReplaceEnum):
                _add_warning(container.ops, group, prefix, _enum_warning(group))


def _add_warning(operations: list[Any], item: Any, prefix: str, text: str | None) -> None:
    if text:
        operations.insert(operations.index(item), Comment(text))
        log.warning("%s%s", prefix, one_line(text))


def _warning(
    migration: MigrationContext, metadatas: Sequence[MetaData], item: Any, is_new: bool
) -> str | None:
    connection = migration.connection
    assert connection is not None
    if isinstance(item, ops.AddColumnOp):
        if is_new:
            return None
        return _new_column_warning(connection, item) or _json_warning(
            connection.dialect, item.column, item.table_name
        )
    if is_new:
        return None
    if isinstance(item, BlockingLine):
        return item.warning or None
    if isinstance(item, ops.AlterColumnOp) and item.modify_type is not None:
        return _new_type_warning(connection, item)
    if kind_of(item) in ("index", "unique", "foreignkey") and not isinstance(
        item, ops.DropIndexOp | ops.DropConstraintOp
    ):
        return _partitioned_warning(item, metadatas)
    return None


def _new_column_warning(connection: Connection, item: ops.AddColumnOp) -> str | None:
    column = item.column
    if not isinstance(column.table, Table):  # one of a downgrade; its definition needs a table
        column = Table("probe", MetaData(), column).columns[column.name]
    definition = str(CreateColumn(column).compile(dialect=POSTGRESQL))
    is_rewrite = rewrites(connection, item, f"ADD COLUMN {definition.strip()}")
    if is_rewrite is False or (is_rewrite is not True and not (column.identity or column.computed)):
        return None
    kind = "identity" if column.identity else "computed" if column.computed else "default"
    return _rewrite_warning(item, column.name, kind)


def _new_type_warning(connection: Connection, item: ops.AlterColumnOp) -> str | None:
    assert item.modify_type is not None
    column = sql_name(item.column_name)
    new = item.modify_type.compile(dialect=POSTGRESQL)
    using = item.using if isinstance(item, TypeChange) else None
    change = f"ALTER COLUMN {column} TYPE {new}"
    change += f" USING {using}" if using else ""
    before = []
    if item.existing_type is not None:  # in a downgrade the database has the other type
        old = item.existing_type.compile(dialect=POSTGRESQL)
        before = [f"ALTER COLUMN {column} TYPE {old} USING NULL"]
    is_rewrite = rewrites(connection, item, *before, change)
    if is_rewrite is False:
        return None
    if is_rewrite == DATATYPE_MISMATCH:
        return (
            f"Postgres has no cast that converts {item.table_name}.{item.column_name} to {new}. Add "
            "an expression that does: postgresql_using='…' in the alter_column below."
        )
    return _rewrite_warning(item, item.column_name, "type", new)


def _partitioned_warning(item: Any, metadatas: Sequence[MetaData]) -> str | None:
    table = item.source_table if isinstance(item, ops.CreateForeignKeyOp) else item.table_name
    if not is_partitioned(item, metadatas):
        return None
    return (
        f"Blocks writes to {table} while it runs (SHARE), because the table is partitioned. To "
        "avoid that, first change each partition with the operations that end in _concurrently. "
        "Then change the table itself ON ONLY, and ATTACH."
    )


def _json_warning(dialect: Dialect, column: Column[Any], table: str) -> str | None:
    type_ = column.type.dialect_impl(dialect)
    if not isinstance(type_, JSON) or isinstance(type_, JSONB):
        return None
    return (
        f"{table}.{column.name} is json, which Postgres stores as text: it has no equality "
        "operator and no index, and every read parses it. JSONB (sqlalchemy.dialects.postgresql) "
        "is nearly always the better type."
    )


def _enum_warning(item: ReplaceEnum) -> str | None:
    tables = sorted({display_name(each.schema, each.table) for each in item.dependents.columns})
    return f"{REWRITES.format(table=', '.join(tables))}: {RECIPES['enum']}" if tables else None


def _rewrite_warning(item: Any, column: str, kind: str, type_: str = "") -> str:
    what = REWRITES.format(table=display_name(item.schema, item.table_name))
    return f"{what}: {RECIPES[kind].format(column=column, type=type_)}"


def needs_value(column: Column[Any]) -> bool:
    """Whether adding the column to a table fails if the table has rows."""
    return (
        not column.nullable
        and column.server_default is None
        and column.computed is None
        and not isinstance(column.identity, Identity)
    )
