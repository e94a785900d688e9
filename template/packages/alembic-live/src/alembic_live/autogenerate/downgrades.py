"""Downgrades of dropped columns. A downgrade restores the column but not its values. If the column
was NOT NULL, existing rows need a value.
"""

from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, text
from sqlalchemy.sql import sqltypes

from alembic_live.autogenerate.rendering import Comment, sql_name
from alembic_live.autogenerate.warnings import needs_value
from alembic_live.sql.quoting import literal

# For an enum, the placeholder is its first value.
PLACEHOLDERS: tuple[tuple[type[Any] | tuple[type[Any], ...], str], ...] = (
    (sqltypes.Boolean, "false"),
    ((sqltypes.Integer, sqltypes.Numeric), "0"),
    (sqltypes.String, "''"),
    ((sqltypes.DateTime, sqltypes.Date), "'epoch'"),
    (sqltypes.Time, "'00:00'"),
    (sqltypes.Interval, "'0'"),
    (sqltypes.Uuid, "'00000000-0000-0000-0000-000000000000'"),
    ((sqltypes.JSON, sqltypes.ARRAY), "'{}'"),
    (sqltypes.LargeBinary, "''"),
)


# The constraints and unique indexes of a column that a placeholder may violate.
RULES = text(
    """
    WITH restored AS (
        SELECT attrelid, attnum FROM pg_attribute
        WHERE attrelid = to_regclass(:table) AND attname = :column
    )
    SELECT conname AS name FROM restored JOIN pg_constraint ON conrelid = attrelid
    WHERE contype IN ('c', 'u', 'x') AND attnum = ANY (conkey)
    UNION
    SELECT relname FROM restored JOIN pg_index ON indrelid = attrelid
    JOIN pg_class ON oid = indexrelid
    WHERE indisunique AND attnum = ANY (indkey)
    ORDER BY name
    """
)


def add_placeholders(migration: MigrationContext, downgrade: ops.DowngradeOps) -> None:
    """Give each restored NOT NULL column a default while it is added, so that existing rows get a
    placeholder.
    """
    assert migration.connection is not None
    for group in downgrade.ops:
        if not isinstance(group, ops.ModifyTableOps):
            continue
        for item in list(group.ops):
            if isinstance(item, ops.AddColumnOp) and needs_value(item.column):
                place = group.ops.index(item)
                group.ops[place : place + 1] = _with_placeholder(migration.connection, item)


def _with_placeholder(connection: Connection, item: ops.AddColumnOp) -> list[ops.MigrateOperation]:
    name = f"{item.table_name}.{item.column.name}"
    placeholder = None if item.column.foreign_keys else _placeholder(item.column)
    if placeholder is None:
        return [
            Comment(
                f"This fails if {item.table_name} has rows: the values of {name} are lost, and no "
                "placeholder fits. Add a server_default here before you downgrade."
            ),
            item,
        ]
    column = item.column
    where = {"table": sql_name(item.schema, item.table_name), "column": column.name}
    rules = connection.scalars(RULES, where).all()
    with_default = Column(
        column.name,
        column.type,
        server_default=text(placeholder),
        nullable=False,
        comment=column.comment,
    )
    return [
        Comment(
            f"The values of {name} are lost: existing rows get {placeholder}."
            + (f" Write another value if that violates {' or '.join(rules)}." if rules else "")
        ),
        ops.AddColumnOp(item.table_name, with_default, schema=item.schema),
        ops.AlterColumnOp(
            item.table_name,
            column.name,
            schema=item.schema,
            existing_type=column.type,
            existing_nullable=False,
            modify_server_default=None,
        ),
    ]


def _placeholder(column: Column[Any]) -> str | None:
    if isinstance(column.type, sqltypes.Enum) and column.type.enums:
        return literal(column.type.enums[0])
    return next((value for types, value in PLACEHOLDERS if isinstance(column.type, types)), None)
