"""The order of a from-scratch revision: what tables need, tables as SQL, tables as operations, and
what needs tables.
"""

from dataclasses import dataclass

from ..schema_dump import Schema, Thing
from .tables import Named, table_of

NEED_TABLES = ("TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE")
AT_LAST = ("FK CONSTRAINT",)


@dataclass(slots=True)
class Layout:
    """A schema in parts, each in an order in which it can be made."""

    before: Schema  # all tables
    tables: Schema  # those that are made with SQL
    after: Schema  # all tables

    @property
    def things(self) -> list[Thing]:
        """All that is made with SQL."""
        return [*self.before, *self.tables, *self.after]


def everything_as_sql(schema: Schema) -> Layout:
    """The order of pg_dump, which is always right."""
    return Layout(schema, {}, {})


def laid_out(schema: Schema, as_sql: set[Named], additions: Schema | None = None) -> Layout:
    """The order where some tables are made with SQL, and all others with operations.

    Args:
        schema: everything.
        as_sql: the tables that are made with SQL.
        additions: what the operations leave out of the others, with the SQL that adds it.
    """
    layout = Layout({}, {}, {})
    names = {(thing.schema, thing.name) for thing in schema if thing.kind == "TABLE"}
    seen_tables = False
    for thing, text in schema.items():
        seen_tables |= thing.kind in NEED_TABLES
        owner = table_of(thing, text, schema)
        if owner in names - as_sql:
            if additions and thing in additions:
                layout.after[thing] = additions[thing]
            continue
        is_loose_sequence = thing.kind == "SEQUENCE" and owner is None
        if not seen_tables or is_loose_sequence:
            layout.before[thing] = text
        elif owner in as_sql and thing.kind not in AT_LAST:
            layout.tables[thing] = text
        else:
            layout.after[thing] = text
    return layout
