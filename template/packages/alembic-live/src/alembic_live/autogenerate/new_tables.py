"""New tables whose names something else in the database has already."""

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import text

from alembic_live.autogenerate.rendering import display_name

# A table shares its names with other relations, and with types, because it makes one.
# https://www.postgresql.org/docs/current/sql-createtable.html
HOLDERS = text(
    """
    SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) AS holder,
           c.relkind IN ('v', 'm', 'f') AS can_have_model
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = coalesce(:schema, current_schema()) AND c.relname = :name
      AND c.relkind NOT IN ('r', 'p')
    UNION ALL
    SELECT pg_describe_object('pg_type'::regclass, t.oid, 0), false
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = coalesce(:schema, current_schema()) AND t.typname = :name
      AND t.typrelid = 0 AND t.typcategory <> 'A'
    """
)


def check_new_tables(migration: MigrationContext, upgrade: ops.UpgradeOps) -> None:
    """Refuse a table that Postgres could not create.

    Raises:
        CommandError: its name belongs to something else; the text says to what.
    """
    assert migration.connection is not None
    for item in upgrade.ops:
        if not isinstance(item, ops.CreateTableOp):
            continue
        named = {"schema": item.schema, "name": item.table_name}
        for holder, can_have_model in migration.connection.execute(HOLDERS, named):
            table = display_name(item.schema, item.table_name)
            advice = (
                "Choose another name for the table, or drop the other object in an earlier "
                "revision."
            )
            if can_have_model:
                advice = (
                    "If the model is of it, say so, and revisions leave it alone: "
                    '__table_args__ = ({"info": {"is_view": True}},).'
                )
            raise CommandError(
                f"No revision was written. Table {table} would be created, but the database has a "
                f"{holder}. {advice}"
            )
