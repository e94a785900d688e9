"""Downgrades of dropped columns. A downgrade restores the column but not its values. If the column
was NOT NULL, existing rows need a value.
"""

from typing import Any

from alembic.operations import ops
from sqlalchemy import Column, Connection, text
from sqlalchemy.sql import sqltypes

from alembic_live.autogenerate.rendering import Comment, Line, sql_name
from alembic_live.autogenerate.warnings import needs_value
from alembic_live.sql.quoting import identifier, literal

EXCLUSIONS = text(
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE conrelid = to_regclass(:table) AND contype = 'x' ORDER BY 1"
)

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


def keep_exclusions(connection: Connection, upgrade: ops.UpgradeOps) -> None:
    """Let the downgrade of a dropped table create its exclusion constraints, which SQLAlchemy does
    not read.
    """
    for place, item in reversed(list(enumerate(upgrade.ops))):
        if isinstance(item, ops.DropTableOp):
            table = sql_name(item.schema, item.table_name)
            where = {"table": identifier(item.schema, item.table_name)}
            upgrade.ops[place:place] = [
                Line.of_sql(
                    f"ALTER TABLE {table} DROP CONSTRAINT {sql_name(name)}",
                    f"ALTER TABLE {table} ADD CONSTRAINT {sql_name(name)} {definition}",
                )
                for name, definition in connection.execute(EXCLUSIONS, where)
            ]


def add_placeholders(downgrade: ops.DowngradeOps) -> None:
    """Give each restored NOT NULL column a default while it is added, so that existing rows get a
    placeholder.
    """
    for group in downgrade.ops:
        if not isinstance(group, ops.ModifyTableOps):
            continue
        for item in list(group.ops):
            if isinstance(item, ops.AddColumnOp) and needs_value(item.column):
                place = group.ops.index(item)
                group.ops[place : place + 1] = _with_placeholder(item)


def _with_placeholder(item: ops.AddColumnOp) -> list[ops.MigrateOperation]:
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
    with_default = Column(
        column.name,
        column.type,
        server_default=text(placeholder),
        nullable=False,
        comment=column.comment,
    )
    return [
        Comment(f"The values of {name} are lost: existing rows get {placeholder}."),
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
