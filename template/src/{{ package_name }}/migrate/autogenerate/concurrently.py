"""Autogenerate writes changes to tables that are in use in a form that keeps them in use.

Such a change cannot be part of a transaction, so it goes into a revision of its own: what is
loosened (constraints and indexes dropped, values added to enums) before the rest, what is
tightened behind it. Backwards the same revisions come in the opposite order, which is right too.
"""

from collections.abc import Iterator
from typing import Any

from alembic import util
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op_text
from alembic.operations import ops
from alembic_postgresql_enum.operations.add_enum_values import AddEnumValuesOp
from sqlalchemy import MetaData

from .. import operations
from .enums import added_values

RENAMED = "rename"
LOOSENED = "drop constraints and indexes"
TIGHTENED = "constraints and indexes"

# The order within a revision: what a later one stands on comes first.
LOOSENING = ("enum", "foreignkey", "unique", "check", "index", "null")
TIGHTENING = ("index", "unique", "check", "foreignkey", "null")


class Concurrently(ops.MigrateOperation):
    """An operation of Alembic's, written as the one of `operations` that keeps the table in use."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain

    def reverse(self) -> ops.MigrateOperation:
        """Likewise, where the opposite can be had so; else Alembic's."""
        opposite = self.plain.reverse()
        return Concurrently(opposite) if kind_of(opposite) else opposite

    def to_diff_tuple(self) -> Any:
        """What `alembic check` shows of it."""
        return self.plain.to_diff_tuple()


def split(
    script: ops.MigrationScript, metadata: MetaData, first: list[ops.MigrateOperation]
) -> list[ops.MigrationScript]:
    """Up to four scripts in place of one, each of which follows the one before.

    Args:
        script: with all changes.
        metadata: of the models.
        first: what has to come before them.
    """
    assert script.upgrade_ops is not None
    loosening: list[Any] = []
    tightening: list[Any] = []
    for group, item in _changes_of_existing_tables(script.upgrade_ops, metadata):
        taken = _take(group, item)
        (loosening if _loosens(taken) else tightening).append(taken)
    for items, order in ((loosening, LOOSENING), (tightening, TIGHTENING)):
        items.sort(key=lambda item: order.index(kind_of(item)))
    rest = [item for item in script.upgrade_ops.ops if not _is_empty(item)]
    parts: list[tuple[str, list[Any]]] = [
        (RENAMED, first if loosening else []),
        (LOOSENED, [Concurrently(item) for item in loosening]),
        ("", rest if loosening else [*first, *rest]),
        (TIGHTENED, [Concurrently(item) for item in tightening]),
    ]
    return list(_scripts(script, [(suffix, items) for suffix, items in parts if items]))


def kind_of(item: Any) -> str:
    """What a change is about, in one of the words of LOOSENING; empty where it has no other form."""
    match item:
        case AddEnumValuesOp():
            return "enum"
        case ops.CreateIndexOp() | ops.DropIndexOp():
            return "index"
        case ops.CreateUniqueConstraintOp():
            return "unique"
        case ops.CreateForeignKeyOp():
            return "foreignkey"
        case ops.CreateCheckConstraintOp():
            return "check"
        case ops.DropConstraintOp() if item.constraint_type in LOOSENING:
            return str(item.constraint_type)
        case ops.AlterColumnOp() if item.modify_nullable is not None:
            return "null"
    return ""


def created_tables(upgrade: ops.UpgradeOps) -> set[tuple[str | None, str]]:
    """The tables, with their schemas, that a script creates: nobody uses them yet."""
    return {
        (item.schema, item.table_name)
        for item in upgrade.ops
        if isinstance(item, ops.CreateTableOp)
    }


def is_partitioned(item: Any, metadata: MetaData) -> bool:
    """Whether the table consists of others. Postgres builds no index on it concurrently, and takes
    no foreign key of it unseen (before version 18).
    """
    name = f"{item.schema}.{item.table_name}" if item.schema else item.table_name
    table = metadata.tables.get(name)
    return table is not None and bool(table.dialect_options["postgresql"]["partition_by"])


def _changes_of_existing_tables(
    upgrade: ops.UpgradeOps, metadata: MetaData
) -> Iterator[tuple[Any, Any]]:
    """Those that have a concurrent form, each with the list that it is in."""
    new = created_tables(upgrade)
    for group in list(upgrade.ops):
        if isinstance(group, AddEnumValuesOp):
            yield upgrade, group
        elif isinstance(group, ops.ModifyTableOps) and (group.schema, group.table_name) not in new:
            for item in list(group.ops):
                kind = kind_of(item)
                if kind and not (
                    kind in ("index", "unique", "foreignkey") and is_partitioned(group, metadata)
                ):
                    yield group, item


def _take(group: Any, item: Any) -> Any:
    """Take the change out of the list; of a column's changes only whether it may be NULL."""
    if not isinstance(item, ops.AlterColumnOp):
        group.ops.remove(item)
        return item
    nullable, item.modify_nullable = item.modify_nullable, None
    if not item.has_changes():
        group.ops.remove(item)
    return ops.AlterColumnOp(
        item.table_name,
        item.column_name,
        schema=item.schema,
        existing_nullable=not nullable,
        modify_nullable=nullable,
    )


def _loosens(item: Any) -> bool:
    if isinstance(item, ops.AlterColumnOp):
        return bool(item.modify_nullable)
    return isinstance(item, AddEnumValuesOp | ops.DropConstraintOp | ops.DropIndexOp)


def _is_empty(item: ops.MigrateOperation) -> bool:
    return isinstance(item, ops.ModifyTableOps) and not item.ops


def _scripts(
    script: ops.MigrationScript, parts: list[tuple[str, list[Any]]]
) -> Iterator[ops.MigrationScript]:
    """The script itself with the first part, and new ones behind it with the others."""
    message, head = script.message, script.rev_id
    for number, (suffix, items) in enumerate(parts):
        if number:
            script = ops.MigrationScript(
                rev_id=_id_after(head),
                message=None,
                upgrade_ops=ops.UpgradeOps([]),
                downgrade_ops=ops.DowngradeOps([]),
                head=head,
                version_path=script.version_path,
            )
            head = script.rev_id
        named = suffix and len(parts) > 1
        script.message = f"{message or 'Changes'}: {suffix}" if named else message
        assert script.upgrade_ops is not None
        assert script.downgrade_ops is not None
        script.upgrade_ops.ops[:] = items
        script.downgrade_ops.ops[:] = []
        script.upgrade_ops.reverse_into(script.downgrade_ops)
        yield script


def _id_after(other: str | None) -> str:
    """A new id. It sorts behind the other where that can be had, and so do the files' names, which
    begin with the same second.
    """
    ids = [util.rev_id() for _ in range(100)]
    return next((new for new in ids if new > (other or "")), ids[0])


@renderers.dispatch_for(Concurrently)
def _render(context: AutogenContext, item: Concurrently) -> list[str]:
    plain = item.plain
    if isinstance(plain, AddEnumValuesOp):
        calls = _calls_that_add_values(context, plain)
    elif isinstance(plain, ops.AlterColumnOp):
        calls = [_call_for_null(plain)]
    else:
        _, _, call = render_op_text(context, plain).partition("op.")
        function, bracket, arguments = call.partition("(")
        ending = "_if_exists" if isinstance(plain, ops.DropConstraintOp) else "_concurrently"
        calls = [f"{function}{ending}{bracket}{arguments}"]
    for call in calls:
        function = call.partition("(")[0]
        context.imports.add(f"from {operations.__name__} import {function}")
    return calls


def _call_for_null(item: ops.AlterColumnOp) -> str:
    function = "drop_not_null" if item.modify_nullable else "set_not_null_concurrently"
    schema = f", schema={str(item.schema)!r}" if item.schema else ""
    return f"{function}({str(item.table_name)!r}, {str(item.column_name)!r}{schema})"


def _calls_that_add_values(context: AutogenContext, item: AddEnumValuesOp) -> list[str]:
    assert context.dialect is not None
    schema = (
        f", schema={item.schema!r}" if item.schema != context.dialect.default_schema_name else ""
    )
    return [
        f"add_enum_value({item.name!r}, {value!r}"
        + (f", before={following!r}" if following is not None else "")
        + f"{schema})"
        for value, following in added_values(item.old_values, item.new_values)
    ]
