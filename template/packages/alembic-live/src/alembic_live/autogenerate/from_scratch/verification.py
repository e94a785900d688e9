"""Finds the tables that Alembic's operations recreate exactly, by running them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from alembic.operations import ops
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import DBAPIError

from alembic_live.address import Address
from alembic_live.autogenerate.from_scratch.layout import Layout, arrange
from alembic_live.autogenerate.from_scratch.restore import restore
from alembic_live.autogenerate.from_scratch.tables import (
    TableName,
    Trial,
    by_table,
    is_part_of,
    missing_in,
    try_operations,
)
from alembic_live.autogenerate.from_scratch.target_schema import OPTIONS, TargetSchema
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.dump import Schema, read_schema
from alembic_live.postgres.schemas import schema_name

MOST_TRIALS = 5  # each leaves more tables to SQL


@dataclass(frozen=True, slots=True)
class VerifiedOperations:
    """Operations that create their tables exactly, apart from the additions."""

    operations: list[ops.MigrateOperation]
    tables_as_sql: set[TableName]  # the tables that operations do not create
    additions: Schema  # what the operations omit, with the SQL that adds it


def verify_operations(
    target: TargetSchema,
    metadatas: Sequence[MetaData],
    create_database: Callable[[], Address],
    *,
    without: Collection[TableName] = (),
) -> VerifiedOperations:
    """Find the operations that recreate the tables of a schema.

    Args:
        target: the schema.
        metadatas: the tables that operations may create.
        create_database: creates an empty database.
        without: tables that SQL creates, whatever the operations make.
    """
    wanted = target.schema
    every = {(obj.schema, obj.name) for obj in wanted if obj.kind == "TABLE"}
    as_sql = every - {
        (schema_name(table.schema), table.name)
        for metadata in metadatas
        for table in metadata.tables.values()
    }
    as_sql |= every & set(without)
    expected = by_table(wanted)
    for _ in range(MOST_TRIALS):
        database = create_database()
        engine = make_engine(database)
        attempt = partial(_try, arrange(wanted, as_sql), metadatas, as_sql, target.columns)
        try:
            trial = with_connection(engine, attempt)
        except DBAPIError:  # the SQL needs tables that operations create after it
            break
        created = by_table(read_schema(database, *OPTIONS))
        tried = every - as_sql
        different = {
            table
            for table in tried - trial.failed
            if not is_part_of(created[table], expected[table])
        }
        # A table can fail because another one is missing, so different tables count first.
        if not (rejected := different or trial.failed & tried):
            missing = (missing_in(created[table], expected[table], wanted) for table in tried)
            additions = {obj: sql for each in missing for obj, sql in each.items()}
            return VerifiedOperations(trial.operations, as_sql, additions)
        as_sql |= rejected
    return VerifiedOperations([], every, {})


def _try(
    layout: Layout,
    metadatas: Sequence[MetaData],
    as_sql: set[TableName],
    columns: dict[TableName, list[str]],
    connection: Connection,
) -> Trial:
    restore(connection, layout.before, layout.tables)
    return try_operations(connection, metadatas, as_sql, columns)
