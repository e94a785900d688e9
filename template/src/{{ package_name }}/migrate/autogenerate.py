"""What autogenerate compares, and what becomes of the differences before they are written."""

import logging
from typing import Any

from alembic.operations import ops
from alembic.runtime.environment import NameFilterParentNames, NameFilterType
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, inspect
from sqlalchemy.sql.schema import SchemaItem

from . import enums as enums  # adds native enums to what is compared
from .command import command_of
from .concurrently import split
from .hazards import mark, refuse_what_must_fail
from .lines import Line
from .losses import settle

log = logging.getLogger("alembic.autogenerate")


def options(metadata: MetaData) -> dict[str, Any]:
    """The arguments of `context.configure` that a comparison needs."""
    schemas = {metadata.schema} | {table.schema for table in metadata.tables.values()}

    def include_name(
        name: str | None, kind: NameFilterType, _parents: NameFilterParentNames
    ) -> bool:
        """Asked before anything is read, so that other schemas cost nothing."""
        return kind != "schema" or name in schemas

    return {
        "include_schemas": schemas != {None},
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
    """Write no revision where nothing changed, lose nothing, refuse what must fail, write what is
    left so that tables stay in use, and mark where that cannot be.

    Raises:
        CommandError: something would be lost or would fail; the text tells the ways out.
    """
    assert migration.config is not None
    options = migration.config.cmd_opts
    if command_of(migration.config) == "check" or not getattr(options, "autogenerate", True):
        return
    [script] = scripts
    assert script.upgrade_ops is not None
    if script.upgrade_ops.is_empty():
        scripts.clear()
        log.info("The models and the database agree: no revision was written.")
        return
    metadata = migration.opts["target_metadata"]
    settle(migration, script)
    refuse_what_must_fail(script.upgrade_ops)
    script.upgrade_ops.ops[:0] = _missing_schemas(migration, metadata)
    scripts[:] = split(script, metadata)
    for part in scripts:
        mark(migration, part)


def _missing_schemas(migration: MigrationContext, metadata: MetaData) -> list[Line]:
    """Lines that make the schemas of single tables. That of all tables is made before the version
    table is.
    """
    assert migration.connection is not None
    present = inspect(migration.connection).get_schema_names()
    quote = migration.connection.dialect.identifier_preparer.quote
    wanted = sorted({table.schema for table in metadata.tables.values() if table.schema})
    return [
        Line.of_sql(
            f"CREATE SCHEMA IF NOT EXISTS {quote(name)}", f"DROP SCHEMA IF EXISTS {quote(name)}"
        )
        for name in wanted
        if name not in present and name != metadata.schema
    ]
