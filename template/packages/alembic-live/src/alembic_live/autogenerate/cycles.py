"""Foreign keys between new tables, and between dropped ones. Alembic writes a foreign key to a table
that is created later, omits one that has `use_alter`, writes the schema of the MetaData before a
table that has none, and drops a table that another one refers to.
"""

from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import ForeignKeyConstraint, inspect

from alembic_live.autogenerate.rendering import Line, sql_name
from alembic_live.names import LONGEST


def defer_foreign_keys(upgrade: ops.UpgradeOps | ops.DowngradeOps) -> None:
    """Add those foreign keys after all tables are created."""
    created = [item for item in upgrade.ops if isinstance(item, ops.CreateTableOp)]
    missing = {_name(item) for item in created}
    deferred: list[ops.MigrateOperation] = []
    for item in created:
        missing.discard(_name(item))
        for key in [part for part in item.columns if isinstance(part, ForeignKeyConstraint)]:
            if key.use_alter or _referred_table(key) in missing or _loses_its_schema(key):
                deferred.append(_addition(key))
                item.columns = [part for part in item.columns if part is not key]
    place = upgrade.ops.index(created[-1]) + 1 if created else 0
    upgrade.ops[place:place] = deferred


def drop_foreign_keys_first(migration: MigrationContext, upgrade: ops.UpgradeOps) -> None:
    """Drop the foreign keys that refer to a table which is dropped before theirs."""
    assert migration.connection is not None
    inspector = inspect(migration.connection)
    tables = [item for item in upgrade.ops if isinstance(item, ops.DropTableOp)]
    gone: set[tuple[str | None, str]] = set()
    first: list[ops.MigrateOperation] = []
    for item in tables:
        for key in inspector.get_foreign_keys(item.table_name, item.schema):
            if key["name"] and (key["referred_schema"], key["referred_table"]) in gone:
                # The downgrade adds it after all tables are created.
                drop = f"ALTER TABLE {sql_name(item.schema, item.table_name)} DROP CONSTRAINT"
                sql = f"{drop} {sql_name(key['name'])}"
                first.append(
                    Line.of_sql(sql, allows="ban-drop-constraint: the table is dropped below")
                )
        gone.add((item.schema, item.table_name))
    upgrade.ops[:0] = first


def _referred_table(key: ForeignKeyConstraint) -> str:
    return key.elements[0].target_fullname.rpartition(".")[0]


def _name(item: ops.CreateTableOp) -> str:
    return f"{item.schema}.{item.table_name}" if item.schema else item.table_name


def _loses_its_schema(key: ForeignKeyConstraint) -> bool:
    return bool(key.table.metadata.schema) and not key.referred_table.schema


def _addition(key: ForeignKeyConstraint) -> Any:
    addition = ops.CreateForeignKeyOp.from_constraint(key)
    addition.kw.pop("use_alter", None)
    if addition.constraint_name is None:  # the downgrade needs one
        name = f"{addition.source_table}_{'_'.join(addition.local_cols)}_fkey"  # as Postgres does
        addition.constraint_name = name if len(name.encode()) <= LONGEST else None
    return addition
