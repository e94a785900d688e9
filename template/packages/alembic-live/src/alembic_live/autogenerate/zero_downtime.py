"""Zero-downtime revisions: changes to tables in use are written so that they do not block queries.

Such a change cannot run in a transaction, so it gets a separate revision. Changes that loosen the
schema come before the rest: dropped constraints and indexes, new enum values. Changes that tighten
it come after the rest. A downgrade runs the revisions in the opposite order, which is also correct.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from alembic import util
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import MetaData

from alembic_live import operations
from alembic_live.autogenerate.enum_replacement import AddEnumValues, add_enum_value_calls
from alembic_live.autogenerate.rendering import as_text, inline_sql
from alembic_live.internals.alembic import rendered_call

RENAMED = "rename"
# What a revision that loosens is called, by the kinds of its changes.
LOOSENED = {"enum": "new enum values", "null": "allow NULL", "": "drop constraints and indexes"}
TIGHTENED = "constraints and indexes"

# The order within a revision: later changes depend on earlier ones.
LOOSENING = ("enum", "foreignkey", "unique", "check", "index", "null")
TIGHTENING = ("index", "unique", "check", "foreignkey", "null")


class Concurrently(ops.MigrateOperation):
    """An operation of Alembic that is written as its counterpart in `alembic_live.operations`."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain

    def reverse(self) -> ops.MigrateOperation:
        """The reverse operation, as its counterpart if it has one."""
        reverse = self.plain.reverse()
        return Concurrently(reverse) if kind_of(reverse) else reverse

    def to_diff_tuple(self) -> Any:
        """What `alembic check` shows."""
        return self.plain.to_diff_tuple()


def split(
    script: ops.MigrationScript, metadatas: Sequence[MetaData], first: list[ops.MigrateOperation]
) -> list[ops.MigrationScript]:
    """Split a script into up to four scripts, each of which follows the one before.

    Args:
        script: the script with all changes.
        metadatas: the metadata of the models.
        first: operations that run before the others.
    """
    assert script.upgrade_ops is not None
    loosening: list[Any] = []
    tightening: list[Any] = []
    for group, item in _changes_of_existing_tables(script.upgrade_ops, metadatas):
        taken = _take(group, item)
        (loosening if _loosens(taken) else tightening).append(taken)
    for items, order in ((loosening, LOOSENING), (tightening, TIGHTENING)):
        items.sort(key=lambda item: order.index(kind_of(item)))
    rest = [item for item in script.upgrade_ops.ops if not _is_empty(item)]
    parts: list[tuple[str, list[Any]]] = [
        (RENAMED, first if loosening else []),
        (_title(loosening), [Concurrently(item) for item in loosening]),
        ("", rest if loosening else [*first, *rest]),
        (TIGHTENED, [Concurrently(item) for item in tightening]),
    ]
    return list(_scripts(script, [(suffix, items) for suffix, items in parts if items]))


def _title(loosening: Sequence[Any]) -> str:
    """What the revision that loosens does: adding a value drops nothing."""
    kinds = {kind_of(item) for item in loosening}
    kinds = {kind if kind in LOOSENED else "" for kind in kinds}
    return ", ".join(title for kind, title in LOOSENED.items() if kind in kinds)


def kind_of(item: Any) -> str:
    """The kind of a change, as in LOOSENING. Empty if the change has no concurrent form."""
    match item:
        case AddEnumValues():
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
    """The tables that a script creates, with their schemas. No session uses them yet."""
    return {
        (item.schema, item.table_name)
        for item in upgrade.ops
        if isinstance(item, ops.CreateTableOp)
    }


def dropped_tables(upgrade: ops.UpgradeOps) -> set[tuple[str | None, str]]:
    """The tables that a script drops, with their schemas."""
    return {
        (item.schema, item.table_name) for item in upgrade.ops if isinstance(item, ops.DropTableOp)
    }


def metadatas_of(migration: MigrationContext) -> list[MetaData]:
    """The target_metadata of env.py as a list."""
    target = AutogenContext(migration).metadata
    assert target is not None
    return [target] if isinstance(target, MetaData) else list(target)


def is_partitioned(item: Any, metadatas: Sequence[MetaData]) -> bool:
    """Whether the table is partitioned. Postgres cannot build an index on it concurrently. Before
    version 18, its foreign keys cannot be NOT VALID.
    """
    name = f"{item.schema}.{item.table_name}" if item.schema else item.table_name
    table = next((m.tables[name] for m in metadatas if name in m.tables), None)
    return table is not None and bool(table.dialect_options["postgresql"]["partition_by"])


def _changes_of_existing_tables(
    upgrade: ops.UpgradeOps, metadatas: Sequence[MetaData]
) -> Iterator[tuple[Any, Any]]:
    """The changes that have a concurrent form, each with the group that contains it."""
    unused = created_tables(upgrade) | dropped_tables(upgrade)
    for group in list(upgrade.ops):
        if isinstance(group, AddEnumValues):
            yield upgrade, group
        elif isinstance(group, ops.ModifyTableOps) and (
            (group.schema, group.table_name) not in unused
        ):
            for item in list(group.ops):
                kind = kind_of(item)
                if kind and not (
                    kind in ("index", "unique", "foreignkey") and is_partitioned(group, metadatas)
                ):
                    yield group, item


def _take(group: Any, item: Any) -> Any:
    """Remove the change from its group. Of the changes to a column, remove only that of NOT NULL."""
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
    return isinstance(item, AddEnumValues | ops.DropConstraintOp | ops.DropIndexOp)


def _is_empty(item: ops.MigrateOperation) -> bool:
    return isinstance(item, ops.ModifyTableOps) and not item.ops


def _scripts(
    script: ops.MigrationScript, parts: list[tuple[str, list[Any]]]
) -> Iterator[ops.MigrationScript]:
    """The script with the first part, then new scripts with the others."""
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
        has_suffix = suffix and len(parts) > 1
        script.message = f"{message or 'Changes'}: {suffix}" if has_suffix else message
        assert script.upgrade_ops is not None
        assert script.downgrade_ops is not None
        script.upgrade_ops.ops[:] = items
        script.downgrade_ops.ops[:] = _reversed(script.upgrade_ops)
        yield script


def _reversed(upgrade: ops.UpgradeOps) -> list[ops.MigrateOperation]:
    """The downgrade of an upgrade.

    Raises:
        CommandError: an operation of another library cannot be reversed.
    """
    reverse = []
    for item in reversed(upgrade.ops):
        try:
            reverse.append(item.reverse())
        except Exception as error:
            module, name = type(item).__module__, type(item).__name__
            if module.partition(".")[0] in ("alembic", "alembic_live"):
                raise
            raise CommandError(
                f"No revision was written. {module}.{name} cannot be reversed ({error}), so there is "
                "no downgrade. A function in process_revision_directives of env.py writes it instead "
                "of Alembic's operation. Remove that function. Autogenerate needs none for the types "
                "and indexes of GeoAlchemy2."
            ) from error
    _mark(reverse)
    return reverse


def _mark(operations: Sequence[ops.MigrateOperation]) -> None:
    """Tell operations that they are in a downgrade, which has no comments for `db lint`."""
    for item in operations:
        if hasattr(item, "is_undo"):
            item.is_undo = True
        if isinstance(item, ops.OpContainer):
            _mark(item.ops)


def _id_after(other: str | None) -> str:
    """A new id that sorts after the other, if one of 100 does. File names begin with the time in
    seconds, so the ids of one run decide their order.
    """
    ids = [util.rev_id() for _ in range(100)]
    return next((new for new in ids if new > (other or "")), ids[0])


@renderers.dispatch_for(Concurrently)
def _render(context: AutogenContext, item: Concurrently) -> list[str]:
    plain = item.plain
    if isinstance(plain, AddEnumValues):
        calls = add_enum_value_calls(plain)
    elif isinstance(plain, ops.AlterColumnOp):
        calls = [_not_null_call(plain)]
    else:
        function, arguments = rendered_call(context, plain)
        if isinstance(plain, ops.CreateCheckConstraintOp):
            sql = inline_sql(plain.to_constraint().sqltext)  # the counterpart takes it as it is
            arguments = arguments.replace(repr(as_text(sql)), repr(sql), 1)
        ending = "_if_exists" if isinstance(plain, ops.DropConstraintOp) else "_concurrently"
        calls = [f"{function}{ending}{arguments}"]
    for call in calls:
        function = call.partition("(")[0]
        context.imports.add(f"from {operations.__name__} import {function}")
    return calls


def _not_null_call(item: ops.AlterColumnOp) -> str:
    function = "drop_not_null" if item.modify_nullable else "set_not_null_concurrently"
    schema = f", schema={str(item.schema)!r}" if item.schema else ""
    return f"{function}({str(item.table_name)!r}, {str(item.column_name)!r}{schema})"
