"""Restores schemas from the SQL of pg_dump."""

from collections.abc import Callable, Iterable

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_live.address import Address
from alembic_live.autogenerate.from_scratch.statements import statements_of
from alembic_live.postgres.connection import (
    execute_script,
    make_engine,
    with_connection,
)
from alembic_live.postgres.dump import (
    Difference,
    Schema,
    comparable,
    differences,
    read_schema,
)

# Bodies can use objects that are created later.
WITH_BODIES = ("AGGREGATE", "FUNCTION", "PROCEDURE")
SKIP_BODY_CHECKS = "SET LOCAL check_function_bodies = false"


def restore(connection: Connection, *parts: Schema) -> None:
    """Create every object of some parts of a schema in one transaction."""
    with connection.begin():
        connection.exec_driver_sql(SKIP_BODY_CHECKS)
        statements = [
            statement for part in parts for sql in part.values() for statement in statements_of(sql)
        ]
        execute_script(connection, statements)


def persistent_differences(
    found: Iterable[Difference], one: Schema, other: Schema, create_database: Callable[[], Address]
) -> list[Difference]:
    """The differences that remain after both schemas are restored from their dumps. Postgres prints
    some expressions differently after it has parsed its own output.

    Args:
        found: the differences.
        one: the first schema.
        other: the second schema.
        create_database: creates an empty database.
    """
    found = list(found)
    if not found:
        return []
    try:
        restored_one, restored_other = (
            comparable(_restored(schema, create_database), in_order=True) for schema in (one, other)
        )
    except DBAPIError:  # the schema needs privileges or objects that are not available here
        return found
    remaining = {
        difference.schema_object for difference in differences(restored_one, restored_other, "", "")
    }
    return [difference for difference in found if difference.schema_object in remaining]


def _restored(schema: Schema, create_database: Callable[[], Address]) -> Schema:
    database = create_database()
    engine = make_engine(database)
    with_connection(engine, lambda connection: restore(connection, schema))
    return read_schema(database, "--no-privileges")
