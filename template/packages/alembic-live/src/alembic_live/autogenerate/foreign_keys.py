"""What Alembic's comparison of foreign keys does not see: that a schema in the model, such as
`public`, need not be named; MATCH FULL; and another name.
"""

from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Table

from alembic_live.autogenerate.constraints import OTHER_NAME, name_in_database
from alembic_live.autogenerate.pending import log, pending_of
from alembic_live.autogenerate.rendering import display_name
from alembic_live.postgres.relations import Relations


def setup(plugin: Plugin) -> None:
    """Correct what Alembic's comparison of foreign keys finds."""
    last = DispatchPriority.LAST
    plugin.add_autogenerate_comparator(_keep_equal_keys, "table", "foreignkeys", priority=last)
    plugin.add_autogenerate_comparator(_compare_match, "table", "matches", priority=last)


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


def _compare_match(
    context: AutogenContext,
    group: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    existing: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Replace a key with another MATCH, and tell of one with another name."""
    if existing is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    pending = pending_of(context)
    matches = pending.reflection.of_table("match", *_place(context, schema, name))
    changed = {getattr(item, "constraint_name", None) for item in group.ops}
    there = {tuple(key.column_keys): key for key in existing.foreign_key_constraints}
    for new in wanted.foreign_key_constraints:
        old = there.get(tuple(each.name for each in new.columns))
        if old is None or old.name in changed:
            continue
        old.match = matches.get(str(old.name))
        if (new.match or "SIMPLE").upper() != (old.match or "SIMPLE"):
            log.info("Detected changed MATCH of foreign key %r on table %r", old.name, name)
            group.ops.append(ops.DropConstraintOp.from_constraint(old))
            group.ops.append(ops.AddConstraintOp.from_constraint(new))
        elif name_in_database(new) not in (None, old.name):
            pending.leave(f"name of {display_name(schema, name, str(old.name))}", OTHER_NAME)
    return PriorityDispatchResult.CONTINUE


def _place(context: AutogenContext, schema: str | None, name: str) -> tuple[str | None, str]:
    return None if schema == context.dialect.default_schema_name else schema, name


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
