"""Going back over a dropped column: it comes back, its values do not. Where it was NOT NULL, rows
that are there need a value all the same.
"""

from typing import Any

from alembic.operations import ops
from sqlalchemy import Column, text
from sqlalchemy.sql import sqltypes

from .hazards import has_no_value
from .lines import Comment

# Of an enum it is the first value.
STAND_INS: tuple[tuple[type[Any] | tuple[type[Any], ...], str], ...] = (
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


def let_columns_come_back(downgrade: ops.DowngradeOps) -> None:
    """Give columns that are NOT NULL a default for the moment in which they are added."""
    for group in downgrade.ops:
        if not isinstance(group, ops.ModifyTableOps):
            continue
        for item in list(group.ops):
            if isinstance(item, ops.AddColumnOp) and has_no_value(item.column):
                place = group.ops.index(item)
                group.ops[place : place + 1] = _with_stand_in(item)


def _with_stand_in(item: ops.AddColumnOp) -> list[ops.MigrateOperation]:
    name = f"{item.table_name}.{item.column.name}"
    stand_in = None if item.column.foreign_keys else _stand_in(item.column)
    if stand_in is None:
        return [
            Comment(
                f"Fails where {item.table_name} has rows: the values of {name} are gone, and no "
                "other is known that would do. Give it a server_default here if you go back."
            ),
            item,
        ]
    column = item.column
    with_default = Column(
        column.name,
        column.type,
        server_default=text(stand_in),
        nullable=False,
        comment=column.comment,
    )
    return [
        Comment(f"The values of {name} are gone: rows that are there get {stand_in}."),
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


def _stand_in(column: Column[Any]) -> str | None:
    if isinstance(column.type, sqltypes.Enum) and column.type.enums:
        return "'" + column.type.enums[0].replace("'", "''") + "'"
    return next((value for types, value in STAND_INS if isinstance(column.type, types)), None)
