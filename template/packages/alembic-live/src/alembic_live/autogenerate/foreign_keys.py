"""Foreign keys whose model names a schema that need not be named, such as `public`. Alembic compares
the names as they are written, and finds the key removed and added.
"""

from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult

from alembic_live.postgres.relations import Relations


def setup(plugin: Plugin) -> None:
    """Correct what Alembic's comparison of foreign keys finds."""
    plugin.add_autogenerate_comparator(
        _keep_equal_keys, "table", "foreignkeys", priority=DispatchPriority.LAST
    )


def _keep_equal_keys(
    context: AutogenContext, group: ops.ModifyTableOps, *_tables: Any
) -> PriorityDispatchResult:
    """Remove the pairs of a drop and an addition of the same key."""
    dropped = [
        (item, item.reverse())
        for item in group.ops
        if isinstance(item, ops.DropConstraintOp) and item.constraint_type == "foreignkey"
    ]
    added = [item for item in group.ops if isinstance(item, ops.CreateForeignKeyOp)]
    if dropped and added:
        assert context.connection is not None
        relations = Relations.of(context.connection)
        new = {_parts(item, relations): item for item in added}
        for item, old in dropped:
            same = new.pop(_parts(old, relations), None)
            if same is not None:
                group.ops.remove(item)
                group.ops.remove(same)
    return PriorityDispatchResult.CONTINUE


def _parts(key: Any, relations: Relations) -> tuple[Any, ...]:
    """What makes two keys of a table the same, apart from their names."""
    actions = [(key.kw.get(name) or "").lower() for name in ("onupdate", "ondelete", "initially")]
    return (
        tuple(key.local_cols),
        relations.named(key.kw.get("referent_schema"), key.referent_table),
        tuple(key.remote_cols),
        *("" if action in ("no action", "immediate") else action for action in actions),
        bool(key.kw.get("deferrable")) or actions[-1] == "deferred",
    )
