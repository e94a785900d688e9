"""Compares the schema of the migrations with that of the models, including details that
autogenerate does not compare.
"""

from contextlib import suppress
from functools import partial

from sqlalchemy import Connection, Enum, Table
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alembic_live.address import Address
from alembic_live.autogenerate.column_types import named_types
from alembic_live.models import is_view, load_models
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.dump import Schema, comparable, differences, read_schema, table_in
from alembic_live.postgres.exceptions import Exceptions
from alembic_live.postgres.explanations import reason_of, shown_statement
from alembic_live.postgres.relations import Relations
from alembic_live.postgres.schemas import schema_name
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_at
from alembic_live.testing.beyond_models import remove_beyond_models

# Objects that belong to the table of a model. Models define no views, functions or triggers.
KINDS = (
    *("CHECK CONSTRAINT", "COMMENT", "CONSTRAINT", "DEFAULT", "FK CONSTRAINT", "IDENTITY"),
    *("INDEX", "TABLE"),
)


def schema_differences(project: Project, database: Address) -> list[str]:
    """The differences between a migrated database and one that the models create, for people. Those
    that the project allows are left out; an exception that allows none is named.

    Args:
        project: the project.
        database: a migrated database. Its tables are recreated from the models.

    Raises:
        ConfigurationError: the file of exceptions is wrong; the text says what to correct.
        AssertionError: the models cannot create their tables; the text says why.
    """
    load_models(project)
    tables = _compared_tables(project, database)
    engine = make_engine(database)
    sequences = with_connection(engine, remove_beyond_models)
    migrated = _of_tables(tables, read_schema(database, "--no-privileges"))
    with_connection(engine, partial(_recreate, tables, sequences))
    with_connection(engine, remove_beyond_models)
    created = _of_tables(tables, read_schema(database, "--no-privileges"))
    exceptions = Exceptions.of(project, "models")
    found = differences(migrated, created, "the migrations", "the models")
    return [*map(str, exceptions.without_allowed(found)), *exceptions.unused()]


def _compared_tables(project: Project, database: Address) -> list[Table]:
    """The tables of the models, without views and without the tables that env.py excludes or an
    extension has.
    """
    configuration = configuration_at(project, database)
    relations = with_connection(make_engine(database), Relations.of)
    return [
        table
        for table in project.tables
        if not is_view(table)
        and configuration.includes_model(table)
        and not relations.is_foreign(table.schema or relations.default_schema, table.name)
    ]


def _recreate(tables: list[Table], sequences: list[str], connection: Connection) -> None:
    quote = connection.dialect.identifier_preparer
    with connection.begin():
        for table in tables:
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {quote.format_table(table)} CASCADE")
        for sequence in sequences:
            with suppress(DBAPIError), connection.begin_nested():  # another table uses it
                connection.exec_driver_sql(f"DROP SEQUENCE {sequence}")
        columns = [column for table in tables for column in table.columns]
        for type_ in {type_ for column in columns for type_ in named_types(column.type)}:
            # A type with create_type=False belongs to the migrations: the models use it as it is.
            if isinstance(type_, Enum) and getattr(type_, "create_type", True):
                # A type that a function uses cannot be dropped. Autogenerate compares its values.
                with suppress(DBAPIError), connection.begin_nested():
                    type_.drop(connection, checkfirst=True)
        for metadata in dict.fromkeys(table.metadata for table in tables):
            own = [table for table in tables if table.metadata is metadata]
            try:
                metadata.create_all(connection, tables=own)
            except SQLAlchemyError as error:
                raise AssertionError(
                    f"The models cannot create their tables: {reason_of(error)}."
                    f"{shown_statement(error)} Correct the model. A DDL() of an event may have one "
                    "statement only: write one event for each. If the table needs something that "
                    "a revision creates, such as a function, let an event before_create of the "
                    "MetaData create it too."
                ) from None


def _of_tables(tables: list[Table], schema: Schema) -> Schema:
    names = {(schema_name(table.schema), table.name) for table in tables}
    return {
        obj: sql
        for obj, sql in comparable(schema).items()
        if obj.kind == "TYPE" or (obj.kind in KINDS and table_in(sql) in names)
    }
