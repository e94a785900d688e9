"""Foreign keys of new tables. Alembic writes a foreign key to a table that is created later, and
omits one that has `use_alter`. It writes the schema of the MetaData before a table that has none.
"""

from typing import Any

from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint

LONGEST_NAME = 63  # bytes


def defer_foreign_keys(upgrade: ops.UpgradeOps) -> None:
    """Add those foreign keys after all tables are created."""
    created = [item for item in upgrade.ops if isinstance(item, ops.CreateTableOp)]
    missing = {(item.schema, item.table_name) for item in created}
    deferred: list[ops.MigrateOperation] = []
    for item in created:
        missing.discard((item.schema, item.table_name))
        for key in [part for part in item.columns if isinstance(part, ForeignKeyConstraint)]:
            if key.use_alter or _referred_table(key) in missing or _loses_its_schema(key):
                deferred.append(_addition(key))
                item.columns = [part for part in item.columns if part is not key]
    place = upgrade.ops.index(created[-1]) + 1 if created else 0
    upgrade.ops[place:place] = deferred


def _referred_table(key: ForeignKeyConstraint) -> tuple[str | None, str]:
    return (key.referred_table.schema, key.referred_table.name)


def _loses_its_schema(key: ForeignKeyConstraint) -> bool:
    return bool(key.table.metadata.schema) and not key.referred_table.schema


def _addition(key: ForeignKeyConstraint) -> Any:
    addition = ops.CreateForeignKeyOp.from_constraint(key)
    addition.kw.pop("use_alter", None)
    if addition.constraint_name is None:  # the downgrade needs one
        name = f"{addition.source_table}_{'_'.join(addition.local_cols)}_fkey"  # as Postgres does
        addition.constraint_name = name if len(name.encode()) <= LONGEST_NAME else None
    return addition
