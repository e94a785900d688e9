"""Autogenerate builds an index on a table that is in use without blocking its writers."""

from typing import Any

from alembic import util
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op_text
from alembic.operations import ops
from sqlalchemy import MetaData

from . import operations

OPERATIONS = operations.__name__


class CreateIndexConcurrently(ops.CreateIndexOp):
    """In a revision: create_index_concurrently."""


class DropIndexConcurrently(ops.DropIndexOp):
    """In a revision: drop_index_concurrently."""


def build_concurrently(scripts: list[ops.MigrationScript], metadata: MetaData) -> None:
    """Move indexes that are added to existing tables into a revision of their own, behind the
    rest: such an index cannot be part of a transaction, and a revision that was killed must
    either be rolled back or bear to be run again.
    """
    for script in list(scripts):
        up = [_take_index(item, script) for item in _new_indexes(script, metadata)]
        if not up:
            continue
        down: list[ops.MigrateOperation] = [_drop(item) for item in reversed(up)]
        if _is_empty(script):
            script.upgrade_ops = ops.UpgradeOps(list(up))
            script.downgrade_ops = ops.DowngradeOps(down)
            continue
        scripts.append(
            ops.MigrationScript(
                rev_id=util.rev_id(),
                message=f"{script.message or 'Changes'}: indexes",
                upgrade_ops=ops.UpgradeOps(list(up)),
                downgrade_ops=ops.DowngradeOps(down),
                head=script.rev_id,
                version_path=script.version_path,
            )
        )


def _new_indexes(
    script: ops.MigrationScript, metadata: MetaData
) -> list[tuple[ops.ModifyTableOps, ops.CreateIndexOp]]:
    """The indexes that are added to tables that exist, each with the group it is in."""
    assert script.upgrade_ops is not None
    created = {
        (item.schema, item.table_name)
        for item in script.upgrade_ops.ops
        if isinstance(item, ops.CreateTableOp)
    }
    return [
        (group, item)
        for group in script.upgrade_ops.ops
        if isinstance(group, ops.ModifyTableOps) and (group.schema, group.table_name) not in created
        for item in group.ops
        if isinstance(item, ops.CreateIndexOp) and not _is_partitioned(item, metadata)
    ]


def _is_partitioned(item: ops.CreateIndexOp, metadata: MetaData) -> bool:
    """Postgres builds no index concurrently on a table that consists of others."""
    name = f"{item.schema}.{item.table_name}" if item.schema else item.table_name
    table = metadata.tables.get(name)
    return table is not None and bool(table.dialect_options["postgresql"]["partition_by"])


def _take_index(
    found: tuple[ops.ModifyTableOps, ops.CreateIndexOp], script: ops.MigrationScript
) -> ops.CreateIndexOp:
    group, item = found
    group.ops.remove(item)
    assert script.downgrade_ops is not None
    for reverse in script.downgrade_ops.ops:
        if isinstance(reverse, ops.ModifyTableOps) and (reverse.schema, reverse.table_name) == (
            group.schema,
            group.table_name,
        ):
            reverse.ops[:] = [
                other
                for other in reverse.ops
                if not (isinstance(other, ops.DropIndexOp) and other.index_name == item.index_name)
            ]
    return CreateIndexConcurrently.from_index(item.to_index())


def _drop(item: ops.CreateIndexOp) -> ops.DropIndexOp:
    return DropIndexConcurrently.from_index(item.to_index())


def _is_empty(script: ops.MigrationScript) -> bool:
    assert script.upgrade_ops is not None
    return all(
        isinstance(item, ops.ModifyTableOps) and not item.ops for item in script.upgrade_ops.ops
    )


@renderers.dispatch_for(CreateIndexConcurrently)
@renderers.dispatch_for(DropIndexConcurrently)
def _render(context: AutogenContext, item: Any) -> str:
    plain = ops.CreateIndexOp if isinstance(item, ops.CreateIndexOp) else ops.DropIndexOp
    line = render_op_text(context, plain.from_index(item.to_index()))
    _, _, call = line.partition("op.")
    function, bracket, arguments = call.partition("(")
    context.imports.add(f"from {OPERATIONS} import {function}_concurrently")
    return f"{function}_concurrently{bracket}{arguments}"
