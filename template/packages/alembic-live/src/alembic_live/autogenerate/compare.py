"""What autogenerate compares. `review` changes the differences."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, cast

from alembic import context
from alembic.autogenerate import produce_migrations
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.environment import NameFilterParentNames, NameFilterType
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, ForeignKeyConstraint, MetaData, Table
from sqlalchemy.sql.schema import SchemaItem

from alembic_live.models import is_view
from alembic_live.postgres.relations import Relations
from alembic_live.project import Project
from alembic_live.runtime.program import compares

DIALECT_OPTS = {"paramstyle": "named"}  # otherwise `--sql` doubles every percent sign

# Alembic's defaults for the arguments of `comparison`.
NO_COMPARISON: dict[str, Any] = {
    "include_schemas": False,
    "include_name": None,
    "include_object": None,
    "render_item": None,
    "compare_server_default": False,
    "autogenerate_plugins": None,
}


def options(project: Project, **own: Any) -> dict[str, Any]:
    """The arguments of `context.configure` that the library needs.

    The names are the same for every command: an argument that is in `context.configure` too fails
    in each of them.

    Args:
        project: the project.
        own: your arguments, which can be any of `context.configure`. They replace those of the
            library. `include_name`, `include_object`, `render_item` and
            `process_revision_directives` are called in addition to the library's functions, and
            `dialect_opts` is merged. `autogenerate_plugins` is added to the library's own
            plugins; `~alembic_live.enums` excludes one.
    """
    is_offline = context.is_offline_mode()
    directives = context.config.attributes.get("process_revision_directives", _review)
    chosen: dict[str, Any] = {
        "process_revision_directives": directives,
        "dialect_name": "postgresql",
        "dialect_opts": DIALECT_OPTS,
        "literal_binds": is_offline,
        "transaction_per_migration": True,
    }
    # Other commands do not need the imports of a comparison.
    is_needed = compares(context.config)
    chosen |= comparison(project.metadatas) if is_needed else NO_COMPARISON
    return _with_own(chosen, own)


def _with_own(chosen: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Merge your options into the library's."""
    joined: dict[str, Callable[..., Any]] = {
        "include_name": _both,
        "include_object": _both,
        "render_item": _first,
        "process_revision_directives": _in_turn,
        "dialect_opts": lambda mine, chosen: {**chosen, **mine},
        "autogenerate_plugins": lambda mine, chosen: [*filter(_is_own, chosen), *mine],
    }
    merged = chosen | own
    for name, join in joined.items():
        # env.py may pass None, as Alembic's default is.
        mine, other = own.get(name), chosen[name]
        merged[name] = join(mine, other) if mine and other else mine or other
    return merged


def _both(one: Callable[..., bool], other: Callable[..., bool]) -> Callable[..., bool]:
    return lambda *arguments: one(*arguments) and other(*arguments)


def _first(one: Callable[..., Any], other: Callable[..., Any]) -> Callable[..., Any]:
    def render(*arguments: Any) -> Any:
        rendered = one(*arguments)
        return other(*arguments) if rendered is False else rendered

    return render


def _is_own(plugin: str) -> bool:
    """Whether a plugin is the library's. Your list can exclude it: `~alembic_live.enums`."""
    return plugin.startswith("alembic_live.")


def _in_turn(*functions: Callable[..., None]) -> Callable[..., None]:
    def call(*arguments: Any) -> None:
        for function in functions:
            function(*arguments)

    return call


def comparison(
    metadatas: Sequence[MetaData], connection: Connection | None = None
) -> dict[str, Any]:
    """The arguments of `context.configure` for a comparison.

    Args:
        metadatas: the metadata of the models.
        connection: a connection to the database. Default: the connection of the running command.
    """
    from alembic_live.autogenerate.enums import leave_enums_to_this_library
    from alembic_live.autogenerate.plugins import PLUGINS

    tables = [table for metadata in metadatas for table in metadata.tables.values()]
    modeled = {(table.schema, table.name) for table in tables}
    schemas = {metadata.schema for metadata in metadatas} | {table.schema for table in tables}

    def database() -> Connection:
        found = connection or context.get_context().connection
        assert found is not None
        return found

    @cache
    def relations() -> Relations:
        return Relations.of(database())

    def include_name(
        name: str | None, kind: NameFilterType, parents: NameFilterParentNames
    ) -> bool:
        """Alembic calls this before it reads an object, so other schemas are never read."""
        if kind == "schema":
            # Alembic calls the default schema None, however the models do.
            return name in schemas or (name is None and relations().default_schema in schemas)
        if kind not in ("table", "index") or name is None:
            return True
        schema = parents["schema_name"]
        if kind == "index":
            return not relations().is_foreign(schema, name)
        return not relations().is_left_alone(schema, name, modeled)

    def include_object(
        item: SchemaItem,
        name: str | None,
        kind: NameFilterType,
        reflected: bool,
        compare_to: SchemaItem | None,
    ) -> bool:
        """Exclude views, models of tables that an extension has, and foreign keys to partitions.
        Postgres adds those to a foreign key that references a partitioned table.
        """
        if reflected and isinstance(item, ForeignKeyConstraint):
            schema, _, table = item.elements[0].target_fullname.rpartition(".")[0].rpartition(".")
            return relations().named(schema or None, table) not in relations().partitions
        if isinstance(item, Table):
            if reflected or is_view(item):
                return not is_view(item)
            # A model without a schema is not a table of an extension further down the path.
            schema = item.schema or relations().default_schema
            return not relations().is_foreign(schema, item.name)
        return True

    leave_enums_to_this_library()
    return {
        "include_schemas": schemas != {None},
        "include_name": include_name,
        "include_object": include_object,
        "render_item": _render_item,
        "compare_server_default": True,
        "autogenerate_plugins": ["alembic.autogenerate.*", *PLUGINS],
    }


def differences_from(migration: MigrationContext, metadatas: Sequence[MetaData]) -> ops.UpgradeOps:
    """The operations that change the tables of a database into those of the models."""
    # Alembic accepts several here, as for target_metadata, but the annotation says one.
    script = produce_migrations(migration, cast(MetaData, list(metadatas)))
    assert script.upgrade_ops is not None
    return script.upgrade_ops


def _render_item(kind: str, item: object, context: AutogenContext) -> str | Literal[False]:
    from alembic_live.autogenerate.column_types import render_item
    from alembic_live.autogenerate.parts import render_default

    return render_default(kind, item) or render_item(kind, item, context)


def _review(migration: MigrationContext, _revision: object, scripts: Any) -> None:
    from alembic_live.autogenerate.review import review

    review(migration, scripts)
