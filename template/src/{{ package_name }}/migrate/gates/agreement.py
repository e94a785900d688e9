"""Whether the migrations make what the models say, down to what autogenerate does not see."""

import re
from contextlib import suppress

from sqlalchemy import Connection, Enum
from sqlalchemy.exc import DBAPIError

from ...database.address import Address
from ...database.metadata import metadata
from ..connection import make_engine, with_connection
from ..models import load_models
from ..schema_dump import Schema, comparable, differences, read_schema

# What belongs to a table that a model has. Of other things (views, functions, triggers) the models
# know nothing.
KINDS = (
    *("CHECK CONSTRAINT", "COMMENT", "CONSTRAINT", "DEFAULT", "FK CONSTRAINT", "IDENTITY"),
    *("INDEX", "TABLE"),
)
TABLE = re.compile(r"\b(?:TABLE|ON|COLUMN)(?: ONLY)? (\"[^\"]+\"|\w+)\.(\"[^\"]+\"|\w+)")


def what_the_models_make_otherwise(database: Address) -> list[str]:
    """The differences between a migrated database and one made from the models, for people.

    Args:
        database: a migrated one, whose tables are dropped and made anew.
    """
    load_models()
    migrated = _of_models(read_schema(database, "--no-privileges"))
    with_connection(make_engine(database, "asyncpg"), _make_anew)
    made = _of_models(read_schema(database, "--no-privileges"))
    return [str(one) for one in differences(migrated, made, "the migrations", "the models")]


def _make_anew(connection: Connection) -> None:
    quote = connection.dialect.identifier_preparer
    with connection.begin():
        for table in metadata.tables.values():
            if not table.info.get("is_view"):
                connection.exec_driver_sql(
                    f"DROP TABLE IF EXISTS {quote.format_table(table)} CASCADE"
                )
        for type_ in {
            column.type for table in metadata.tables.values() for column in table.columns
        }:
            if isinstance(type_, Enum) and type_.native_enum:
                # One that a function uses stays; autogenerate has compared its values.
                with suppress(DBAPIError), connection.begin_nested():
                    type_.drop(connection, checkfirst=True)
        tables = [table for table in metadata.sorted_tables if not table.info.get("is_view")]
        metadata.create_all(connection, tables=tables)


def _of_models(schema: Schema) -> Schema:
    names = {(table.schema or "public", table.name) for table in metadata.tables.values()}
    return {
        thing: text
        for thing, text in comparable(schema).items()
        if thing.kind == "TYPE"
        or (
            thing.kind in KINDS
            and (found := TABLE.search(text))
            and tuple(part.strip('"') for part in found.groups()) in names
        )
    }
