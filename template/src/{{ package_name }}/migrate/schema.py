"""The schema of the tables, where it is not one that every database has."""

from alembic import context
from sqlalchemy import inspect
from sqlalchemy.schema import CreateSchema


def create_schema(schema: str | None) -> None:
    """Make sure that the schema is there before Alembic puts its version table into it.

    Looks first: CREATE SCHEMA IF NOT EXISTS needs a privilege even where it has nothing to do.
    """
    migration = context.get_context()
    if schema is None or migration.opts.get("dont_mutate"):
        return
    statement = CreateSchema(schema, if_not_exists=True)
    if migration.as_sql:
        if not migration.get_current_heads():
            migration.execute(statement)
        return
    connection = migration.connection
    assert connection is not None
    with connection.begin():
        if not inspect(connection).has_schema(schema):
            connection.execute(statement)
