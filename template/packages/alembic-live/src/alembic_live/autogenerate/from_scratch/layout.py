"""The order of a from-scratch revision: objects that tables need, tables as SQL, tables as
operations, and objects that need tables.
"""

from dataclasses import dataclass

from alembic_live.autogenerate.from_scratch.tables import TableName, table_of
from alembic_live.postgres.dump import Schema, SchemaObject

NEED_TABLES = ("TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE")
AFTER_ALL_TABLES = ("FK CONSTRAINT",)


@dataclass(slots=True)
class Layout:
    """The objects that SQL creates, in parts. The order within each part is one in which the
    objects can be created.
    """

    before: Schema  # before all tables
    tables: Schema  # tables that SQL creates
    after: Schema  # after all tables

    @property
    def objects(self) -> list[SchemaObject]:
        """All objects that SQL creates."""
        return [*self.before, *self.tables, *self.after]


def everything_as_sql(schema: Schema) -> Layout:
    """The order of pg_dump, which is always correct."""
    return Layout(schema, {}, {})


def arrange(schema: Schema, as_sql: set[TableName], additions: Schema | None = None) -> Layout:
    """The order if SQL creates some tables and operations create the others.

    Args:
        schema: all objects.
        as_sql: the tables that SQL creates.
        additions: what the operations omit of the other tables, with the SQL that adds it.
    """
    layout = Layout({}, {}, {})
    names = {(obj.schema, obj.name) for obj in schema if obj.kind == "TABLE"}
    seen_tables = False
    for obj, sql in schema.items():
        seen_tables |= obj.kind in NEED_TABLES
        owner = table_of(obj, sql, schema)
        if owner in names - as_sql:
            if additions and obj in additions:
                layout.after[obj] = additions[obj]
            continue
        is_standalone_sequence = obj.kind == "SEQUENCE" and owner is None
        if not seen_tables or is_standalone_sequence:
            layout.before[obj] = sql
        elif owner in as_sql and obj.kind not in AFTER_ALL_TABLES:
            layout.tables[obj] = sql
        else:
            layout.after[obj] = sql
    return layout
