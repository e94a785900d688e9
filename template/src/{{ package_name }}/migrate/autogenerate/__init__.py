"""What autogenerate compares. What becomes of the differences is in `review`."""

from functools import cache
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.runtime.environment import NameFilterParentNames, NameFilterType
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, ForeignKeyConstraint, MetaData, text
from sqlalchemy.sql.schema import SchemaItem

from ..command import compares

# Partitions are their table's business, tables of extensions are the extensions', and enums that no
# table uses but a function does are the function's.
NOT_OF_THE_MODELS = text(
    """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relispartition OR c.relkind IN ('r', 'p') AND EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
    UNION ALL
    SELECT n.nspname, t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype = 'e' AND EXISTS (
        SELECT FROM pg_depend d
        WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid = t.oid
          AND d.classid = 'pg_proc'::regclass
    ) AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.atttypid IN (t.oid, t.typarray))
    """
)


def options(metadata: MetaData) -> dict[str, Any]:
    """The arguments of `context.configure` that do not depend on the connection."""
    directives = context.config.attributes.get("process_revision_directives", _review)
    chosen = {
        "process_revision_directives": directives,
        "dialect_opts": {"paramstyle": "named"},  # else `--sql` writes every % twice
    }
    if not compares(context.config):  # nothing else needs the imports
        return chosen
    return chosen | comparison(metadata)


def comparison(metadata: MetaData, connection: Connection | None = None) -> dict[str, Any]:
    """What is compared, and how.

    Args:
        metadata: the models'.
        connection: to the database; in `env.py`, that of the command in progress.
    """
    from .enums import compare_enums

    schemas = {metadata.schema} | {table.schema for table in metadata.tables.values()}

    @cache
    def others() -> set[tuple[str, str]]:
        found = connection or context.get_context().connection
        assert found is not None
        return {(row.nspname, row.relname) for row in found.execute(NOT_OF_THE_MODELS)}

    def include_name(
        name: str | None, kind: NameFilterType, parents: NameFilterParentNames
    ) -> bool:
        """Asked before anything is read, so that other schemas cost nothing."""
        if kind == "schema":
            return name in schemas
        return kind != "table" or (parents["schema_name"] or "public", name) not in others()

    def include_object(
        item: SchemaItem,
        name: str | None,
        kind: NameFilterType,
        reflected: bool,
        compare_to: SchemaItem | None,
    ) -> bool:
        """Asked when it is read. Postgres refers to each partition by itself."""
        if reflected and isinstance(item, ForeignKeyConstraint):
            schema, _, table = item.elements[0].target_fullname.rpartition(".")[0].rpartition(".")
            return (schema or "public", table) not in others()
        return _is_no_view(item, name, kind, reflected, compare_to)

    compare_enums(lambda name: all(name != other for _, other in others()))
    return {
        "include_schemas": schemas != {None},
        "include_name": include_name,
        "include_object": include_object,
        "render_item": _import_type,
        "compare_server_default": True,
        "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
    }


def _import_type(kind: str, item: object, context: AutogenContext) -> Literal[False]:
    """Import what a type of nobody else's but the project's, or a library's, is written with."""
    module = type(item).__module__
    if kind == "type" and module.partition(".")[0] != "sqlalchemy":
        context.imports.add(f"import {module}")
    return False


def _is_no_view(
    item: SchemaItem,
    _name: str | None,
    kind: NameFilterType,
    _reflected: bool,
    _compare_to: SchemaItem | None,
) -> bool:
    """Views that are mapped as tables are made by hand, with op.execute."""
    return kind != "table" or not (getattr(item, "is_view", False) or item.info.get("is_view"))


def _review(migration: MigrationContext, _revision: object, scripts: Any) -> None:
    from .review import review

    review(migration, scripts)
