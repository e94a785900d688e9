"""New tables that refer to each other: Alembic writes a foreign key to a table that is not there
yet, or none at all where it has `use_alter`.
"""

from typing import Any

from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint


def untie(upgrade: ops.UpgradeOps) -> None:
    """Add those foreign keys when all tables are there."""
    created = [item for item in upgrade.ops if isinstance(item, ops.CreateTableOp)]
    missing = {(item.schema, item.table_name) for item in created}
    later: list[ops.MigrateOperation] = []
    for item in created:
        missing.discard((item.schema, item.table_name))
        for key in [part for part in item.columns if isinstance(part, ForeignKeyConstraint)]:
            if key.use_alter or _target(key) in missing:
                later.append(_addition(key))
                item.columns = [part for part in item.columns if part is not key]
    place = upgrade.ops.index(created[-1]) + 1 if created else 0
    upgrade.ops[place:place] = later


def _target(key: ForeignKeyConstraint) -> tuple[str | None, str]:
    return (key.referred_table.schema, key.referred_table.name)


def _addition(key: ForeignKeyConstraint) -> Any:
    addition = ops.CreateForeignKeyOp.from_constraint(key)
    addition.kw.pop("use_alter", None)
    return addition
