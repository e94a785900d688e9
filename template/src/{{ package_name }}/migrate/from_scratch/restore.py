"""Runs the SQL of pg_dump."""

from collections.abc import Callable, Iterable

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...config import settings
from ...database.address import Address
from ..connection import make_engine, with_connection
from ..schema_dump import Difference, Schema, comparable, differences, read_schema
from .statements import statements_of

WITHOUT_BODIES = "SET LOCAL check_function_bodies = false"  # which may use what comes later


def restore(connection: Connection, *parts: Schema) -> None:
    """Make every object of some parts of a schema, in one transaction."""
    with connection.begin():
        connection.exec_driver_sql(WITHOUT_BODIES)
        for part in parts:
            for thing, text in part.items():
                for statement in statements_of(thing, text):
                    connection.exec_driver_sql(statement)


def lasting(
    found: Iterable[Difference], one: Schema, other: Schema, make: Callable[[], Address]
) -> list[Difference]:
    """Those differences that are still there when both schemas have been restored from their dumps:
    Postgres writes some expressions otherwise when it has read them from a dump once.

    Args:
        found: the differences.
        one: one schema.
        other: the other one.
        make: makes an empty database.
    """
    found = list(found)
    if not found:
        return []
    try:
        settled_one, settled_other = (comparable(_settled(each, make)) for each in (one, other))
    except DBAPIError:  # it takes rights or objects that are not here
        return found
    last = {difference.thing for difference in differences(settled_one, settled_other, "", "")}
    return [difference for difference in found if difference.thing in last]


def _settled(schema: Schema, make: Callable[[], Address]) -> Schema:
    database = make()
    engine = make_engine(database, settings.migration_driver)
    with_connection(engine, lambda connection: restore(connection, schema))
    return read_schema(database, "--no-privileges")
