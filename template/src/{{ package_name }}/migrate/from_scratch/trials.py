"""Finds out what Alembic's operations make as it is, by making it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from alembic.operations import ops
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import DBAPIError

from ...config import settings
from ...database.address import Address
from ..connection import make_engine, with_connection
from ..schema_dump import Schema, read_schema
from .layout import Layout, laid_out
from .restore import restore
from .tables import Named, Trial, by_table, is_part_of, missing_in, try_operations
from .wanted import OPTIONS

ROUNDS = 5  # of trials, each of which leaves more tables to SQL


@dataclass(frozen=True, slots=True)
class Made:
    """What Alembic's operations make as it is, the tables that they leave to SQL, and what they leave
    out of the others.
    """

    operations: list[ops.MigrateOperation]
    left: set[Named]
    additions: Schema


def made_with_operations(wanted: Schema, metadata: MetaData, make: Callable[[], Address]) -> Made:
    """
    Args:
        wanted: the schema.
        metadata: the tables of it that operations may make.
        make: makes an empty database.
    """
    every = {(thing.schema, thing.name) for thing in wanted if thing.kind == "TABLE"}
    left = every - {(table.schema or "public", table.name) for table in metadata.tables.values()}
    expected = by_table(wanted)
    for _ in range(ROUNDS):
        database = make()
        engine = make_engine(database, settings.migration_driver)
        attempt = partial(_try, laid_out(wanted, left), metadata, left)
        try:
            trial = with_connection(engine, attempt)
        except DBAPIError:  # the SQL by itself, for it relies on tables that come after it
            break
        got = by_table(read_schema(database, *OPTIONS))
        tried = every - left
        otherwise = {
            table for table in tried - trial.failed if not is_part_of(got[table], expected[table])
        }
        # What failed may have failed for want of another table.
        if not (worse := otherwise or trial.failed & tried):
            missing = (missing_in(got[table], expected[table], wanted) for table in tried)
            return Made(trial.operations, left, {k: v for each in missing for k, v in each.items()})
        left |= worse
    return Made([], every, {})


def _try(layout: Layout, metadata: MetaData, left: set[Named], connection: Connection) -> Trial:
    restore(connection, layout.before, layout.tables)
    return try_operations(connection, metadata, left)
