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
from sqlalchemy import Connection, ForeignKeyConstraint, MetaData, text
from sqlalchemy.sql.schema import SchemaItem

from alembic_live.internals.alembic import correct_comparisons
from alembic_live.models import is_view
from alembic_live.postgres.schemas import schema_name
from alembic_live.project import Project
from alembic_live.runtime.program import compares

# Partitions belong to their table, and tables of extensions to the extension. An enum that a
# function uses and no table does belongs to the function.
UNMAPPED = text(
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
            `dialect_opts` is merged.
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
    from alembic_live.autogenerate.enums import compare_enums

    schemas = {metadata.schema for metadata in metadatas} | {
        table.schema for metadata in metadatas for table in metadata.tables.values()
    }

    @cache
    def unmapped() -> set[tuple[str, str]]:
        database = connection or context.get_context().connection
        assert database is not None
        return {(row.nspname, row.relname) for row in database.execute(UNMAPPED)}

    def include_name(
        name: str | None, kind: NameFilterType, parents: NameFilterParentNames
    ) -> bool:
        """Alembic calls this before it reads an object, so other schemas are never read."""
        if kind == "schema":
            return name in schemas
        return kind != "table" or (schema_name(parents["schema_name"]), name) not in unmapped()

    def include_object(
        item: SchemaItem,
        name: str | None,
        kind: NameFilterType,
        reflected: bool,
        compare_to: SchemaItem | None,
    ) -> bool:
        """Exclude foreign keys to partitions. Postgres adds them to a foreign key that references a
        partitioned table.
        """
        if reflected and isinstance(item, ForeignKeyConstraint):
            schema, _, table = item.elements[0].target_fullname.rpartition(".")[0].rpartition(".")
            return (schema_name(schema), table) not in unmapped()
        return kind != "table" or not is_view(item)

    correct_comparisons()
    compare_enums(lambda name: all(name != other for _, other in unmapped()))
    return {
        "include_schemas": schemas != {None},
        "include_name": include_name,
        "include_object": include_object,
        "render_item": _render_item,
        "compare_server_default": True,
        "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
    }


def differences_from(migration: MigrationContext, metadatas: Sequence[MetaData]) -> ops.UpgradeOps:
    """The operations that change the tables of a database into those of the models."""
    # Alembic accepts several here, as for target_metadata, but the annotation says one.
    script = produce_migrations(migration, cast(MetaData, list(metadatas)))
    assert script.upgrade_ops is not None
    return script.upgrade_ops


def _render_item(kind: str, item: object, context: AutogenContext) -> Literal[False]:
    """Import the module of a type that is not SQLAlchemy's. Alembic renders the type itself."""
    module = type(item).__module__
    if kind == "type" and module.partition(".")[0] != "sqlalchemy":
        context.imports.add(f"import {module}")
    return False


def _review(migration: MigrationContext, _revision: object, scripts: Any) -> None:
    from alembic_live.autogenerate.review import review

    review(migration, scripts)
