"""Changes of types: how the values of a column are converted, there and back."""

from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import ARRAY, Connection, Enum

from alembic_live.autogenerate.column_types import (
    Type,
    is_own,
    is_plain,
    is_special,
    named_types,
    sql_of,
    stored_type,
)
from alembic_live.autogenerate.probe import DATATYPE_MISMATCH, rewrites
from alembic_live.autogenerate.rendering import Comment, allowing, sql_name
from alembic_live.internals.alembic import rendered
from alembic_live.operations.types import SqlType


class TypeChange(ops.AlterColumnOp):
    """A change of a type, with an expression that converts the values, and one for the way back."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.using: str | None = options.pop("using", None)
        self.using_back: str | None = options.pop("using_back", None)
        super().__init__(*arguments, **options)

    def reverse(self) -> "TypeChange":
        """The change back."""
        reverse = super().reverse()
        assert isinstance(reverse, TypeChange)
        reverse.using, reverse.using_back = self.using_back, self.using
        return reverse


def convert_values(migration: MigrationContext, upgrade: ops.UpgradeOps) -> None:
    """Where Postgres does not convert the values of a column by itself, convert them, and replace
    the default: its expression has the old type.
    """
    assert migration.connection is not None
    for group in upgrade.ops:
        if isinstance(group, ops.ModifyTableOps):
            group.ops[:] = [
                part for item in group.ops for part in _conversion(migration.connection, item)
            ]


def _conversion(connection: Connection, item: ops.MigrateOperation) -> list[ops.MigrateOperation]:
    if not isinstance(item, ops.AlterColumnOp) or item.modify_type is None:
        return [item]
    assert item.existing_type is not None
    types = (item.existing_type, item.modify_type)
    using, using_back = (_using(connection, item, *each) for each in (types, types[::-1]))
    if not (using or using_back or any(is_special(stored_type(each)) for each in types)):
        return [item]
    old, new = item.existing_server_default, item.modify_server_default
    change = TypeChange(
        item.table_name,
        item.column_name,
        schema=item.schema,
        existing_type=item.existing_type,
        modify_type=item.modify_type,
        existing_nullable=item.existing_nullable,
        modify_nullable=item.modify_nullable,
        existing_comment=item.existing_comment,
        modify_comment=item.modify_comment,
        using=using,
        using_back=using_back,
    )
    return [
        *(_without_default(item, item.existing_type, old, new) if is_plain(old) else []),
        change,
        *([_default_change(item, item.modify_type, None, new)] if is_plain(new) else []),
    ]


def _without_default(
    item: ops.AlterColumnOp, type_: Type, old: Any, new: Any
) -> list[ops.MigrateOperation]:
    """The drop of a default."""
    drop = _default_change(item, type_, old, None)
    return (
        [Comment(allowing("ban-drop-default: set again below")), drop] if is_plain(new) else [drop]
    )


def _default_change(item: ops.AlterColumnOp, type_: Type, old: Any, new: Any) -> ops.AlterColumnOp:
    return ops.AlterColumnOp(
        item.table_name,
        item.column_name,
        schema=item.schema,
        existing_type=type_,
        existing_nullable=item.existing_nullable,
        existing_server_default=old,
        modify_server_default=new,
    )


def _using(connection: Connection, item: ops.AlterColumnOp, old: Type, new: Type) -> str | None:
    """The expression that converts the values, if the server does not convert them by itself.
    Between an enum and another type, the text is what they have in common. None also if the server
    has no conversion: `warnings` says so.
    """
    name, target = sql_name(item.column_name), sql_of(new)
    if not _is_named(new):
        change = f"ALTER COLUMN {name} TYPE {target}"
        changes = f"ALTER COLUMN {name} TYPE {sql_of(old)} USING NULL", change
        if _is_named(old) or rewrites(connection, item, *changes) != DATATYPE_MISMATCH:
            return None
        cast = f"{name}::{target}"
        tried = rewrites(connection, item, changes[0], f"{change} USING {cast}")
        return None if isinstance(tried, str) else cast
    if not any(_is_textual(each) for each in (old, new)):
        return f"{name}::{target}"
    through = "text[]" if isinstance(stored_type(old), ARRAY) else "text"
    return f"{name}::{through}::{target}"


def _is_named(type_: Type) -> bool:
    """Whether the server converts other types to this one only if it is told to."""
    return isinstance(type_, SqlType) or any(True for _ in named_types(type_)) or is_own(type_)


def _is_textual(type_: Type) -> bool:
    """Whether only text can become the type."""
    types = [*named_types(type_)]
    return any(isinstance(each, Enum) for each in types) or (not types and _is_named(type_))


@renderers.dispatch_for(TypeChange)
def _render_type_change(context: AutogenContext, item: TypeChange) -> str:
    plain = ops.AlterColumnOp(item.table_name, item.column_name)
    plain.__dict__.update(vars(item))
    call = rendered(context, plain)
    return call[:-1] + f", postgresql_using={item.using!r})" if item.using else call
