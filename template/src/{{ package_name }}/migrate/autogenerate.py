"""What autogenerate compares, and what it says about the result."""

import logging
from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from alembic.runtime.environment import NameFilterParentNames, NameFilterType
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData
from sqlalchemy.sql.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from . import enums as enums  # adds native enums to what is compared
from .command import command_of
from .concurrent_indexes import build_concurrently

log = logging.getLogger("alembic.autogenerate")


def options(metadata: MetaData) -> dict[str, Any]:
    """The arguments of `context.configure` that a comparison needs."""

    def include_name(
        name: str | None, kind: NameFilterType, _parents: NameFilterParentNames
    ) -> bool:
        """Asked before anything is read, so that other schemas cost nothing."""
        return kind != "schema" or name == metadata.schema

    return {
        "include_schemas": metadata.schema is not None,
        "include_name": include_name,
        "include_object": _is_no_view,
        "compare_server_default": True,
        "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
        "process_revision_directives": _review,
    }


def _is_no_view(
    item: SchemaItem,
    _name: str | None,
    kind: NameFilterType,
    _reflected: bool,
    _compare_to: SchemaItem | None,
) -> bool:
    """Views that are mapped as tables are made by hand, with op.execute."""
    return kind != "table" or not (getattr(item, "is_view", False) or item.info.get("is_view"))


def _review(
    migration: MigrationContext, _revision: object, scripts: list[ops.MigrationScript]
) -> None:
    """Warn of what looks like a rename, and write no revision where nothing changed."""
    for script in scripts:
        for upgrade in script.upgrade_ops_list:
            for warning in _lost_renames(upgrade.ops, migration):
                log.warning(warning)
    assert migration.config is not None
    if command_of(migration.config) == "revision" and all(
        upgrade.is_empty() for script in scripts for upgrade in script.upgrade_ops_list
    ):
        scripts.clear()
        log.info("The models and the database agree: no revision was written.")
    if command_of(migration.config) != "check":  # it looks at the one script that it knows
        build_concurrently(scripts, migration.opts["target_metadata"])


def _lost_renames(
    operations: list[ops.MigrateOperation], migration: MigrationContext
) -> Iterator[str]:
    """A sentence for each column or table that is dropped while a like one is added."""

    def kind(type_: TypeEngine[Any]) -> str:
        return type_.compile(dialect=migration.dialect)

    for operation in operations:
        if not isinstance(operation, ops.ModifyTableOps):
            continue
        added = [op.column for op in operation.ops if isinstance(op, ops.AddColumnOp)]
        dropped = [op.to_column() for op in operation.ops if isinstance(op, ops.DropColumnOp)]
        for old in dropped:
            for new in added:
                if kind(old.type) == kind(new.type):
                    yield (
                        f"{operation.table_name}.{old.name} is dropped and {new.name} is added: "
                        "the values would be lost. If it was renamed, write instead: "
                        f'op.alter_column("{operation.table_name}", "{old.name}", '
                        f'new_column_name="{new.name}")'
                    )

    created = [op.to_table() for op in operations if isinstance(op, ops.CreateTableOp)]
    for op in operations:
        if isinstance(op, ops.DropTableOp):
            old_table = op.to_table()
            for new_table in created:
                if set(old_table.columns.keys()) == set(new_table.columns.keys()):
                    yield (
                        f"Table {old_table.name} is dropped and {new_table.name} is created: the "
                        "rows would be lost. If it was renamed, write instead: "
                        f'op.rename_table("{old_table.name}", "{new_table.name}")'
                    )
