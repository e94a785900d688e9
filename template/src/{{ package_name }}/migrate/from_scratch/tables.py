"""Which tables Alembic's operations make as they are: found out by making them."""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from alembic.autogenerate import produce_migrations
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.exc import SAWarning, SQLAlchemyError

from ..autogenerate import comparison
from ..autogenerate.cycles import untie
from ..schema_dump import Schema, Thing, comparable
from .statements import statements_of

Named = tuple[str, str]  # the schema and the name of a table

KINDS = (
    *("CHECK CONSTRAINT", "COMMENT", "CONSTRAINT", "DEFAULT", "FK CONSTRAINT", "IDENTITY"),
    *("INDEX", "INDEX ATTACH", "SEQUENCE", "SEQUENCE OWNED BY", "TABLE", "TABLE ATTACH"),
)
# The others are about types, which are there already.
OF_TABLES = (ops.CreateForeignKeyOp, ops.CreateTableOp, ops.ModifyTableOps)
# What an operation raises that cannot be applied here.
NOT_APPLIED = (CommandError, SQLAlchemyError, NotImplementedError)
IDENTIFIER = r'(?:"(?:[^"]|"")+"|\w+)'
TABLE = re.compile(rf"\b(?:TABLE|ON|COLUMN)(?: ONLY)? ({IDENTIFIER})\.({IDENTIFIER})")
OWNED = re.compile(rf"OWNED BY ({IDENTIFIER})\.({IDENTIFIER})\.")


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the operations of each table."""

    operations: list[ops.MigrateOperation]
    failed: set[Named]


def try_operations(connection: Connection, metadata: MetaData, without: set[Named]) -> Trial:
    """Make the tables of some metadata with Alembic's operations, as far as that goes.

    Args:
        connection: to a database that has everything but tables, and those that are left out.
        metadata: the tables.
        without: tables that are left out.
    """
    migration = MigrationContext.configure(connection, opts=comparison(metadata, connection))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # of tables that refer to each other
        upgrade = produce_migrations(migration, metadata).upgrade_ops
    assert upgrade is not None
    untie(upgrade)
    leave_types_alone(upgrade.ops)
    connection.rollback()
    wanted: list[ops.MigrateOperation] = [
        item for item in upgrade.ops if isinstance(item, OF_TABLES) and named(item) not in without
    ]
    failed: set[Named] = set()
    operations = Operations(migration)
    with connection.begin():
        for item in wanted:
            if named(item) in failed:
                continue
            try:
                with connection.begin_nested():
                    _invoke(operations, item)
            except NOT_APPLIED:
                failed.add(named(item))
    return Trial(wanted, failed)


def named(item: ops.MigrateOperation) -> Named:
    """The table that an operation is about."""
    if isinstance(item, ops.CreateForeignKeyOp):
        return item.kw.get("source_schema") or "public", item.source_table
    name = getattr(item, "table_name", "")
    return getattr(item, "schema", None) or "public", name


def leave_types_alone(operations: Iterable[ops.MigrateOperation]) -> None:
    """Enums are there already, made by SQL."""
    for item in operations:
        for column in item.columns if isinstance(item, ops.CreateTableOp) else ():
            type_ = getattr(column, "type", None)
            type_ = getattr(type_, "item_type", type_)  # of an array
            if isinstance(type_, ENUM):
                # Each comparison puts a class of alembic-postgresql-enum there, which writes the same.
                type_.__class__ = ENUM
                type_.create_type = False


def by_table(schema: Schema) -> dict[Named, Schema]:
    """What belongs to each table, with everything that makes no difference taken out."""
    found: dict[Named, Schema] = {}
    for thing, text in comparable(schema).items():
        if owner := table_of(thing, text, schema):
            found.setdefault(owner, {})[thing] = text
    return found


def is_part_of(made: Schema, wanted: Schema) -> bool:
    """Whether what was made of a table is as it should be, and what is missing can be added."""
    return all(
        thing in wanted and set(_statements(thing, made)) <= set(_statements(thing, wanted))
        for thing in made
    ) and all(thing in made or _can_be_added(thing, text) for thing, text in wanted.items())


def _can_be_added(thing: Thing, text: str) -> bool:
    """Of two unique constraints on the same columns CREATE TABLE makes one, and it is not known
    which.
    """
    return thing.kind != "IDENTITY" and not (thing.kind == "CONSTRAINT" and " UNIQUE " in text)


def missing_in(made: Schema, wanted: Schema, schema: Schema) -> Schema:
    """What is left out of a table, with the SQL that adds it.

    Args:
        made: what is there of it.
        wanted: what should be.
        schema: everything, with the SQL as it is.
    """
    missing: Schema = {}
    for thing in wanted:
        there = set(_statements(thing, made)) if thing in made else set()
        if left := [one for one in _statements(thing, wanted) if one not in there]:
            missing[thing] = "".join(f"{one};\n" for one in left) if there else schema[thing]
    return missing


def table_of(thing: Thing, text: str, schema: Schema) -> Named | None:
    """The table that an object belongs to."""
    if thing.kind not in KINDS:
        return None
    if thing.kind == "TABLE":
        return thing.schema, thing.name
    if found := TABLE.search(text) or OWNED.search(text):
        return _plain(found[1]), _plain(found[2])
    if thing.kind == "SEQUENCE":
        owned = schema.get(Thing("SEQUENCE OWNED BY", thing.schema, thing.name), "")
        if found := OWNED.search(owned):
            return _plain(found[1]), _plain(found[2])
    return None


def _statements(thing: Thing, schema: Schema) -> list[str]:
    return list(statements_of(thing, schema[thing]))


def _invoke(operations: Operations, item: ops.MigrateOperation) -> None:
    if isinstance(item, ops.OpContainer):
        for part in item.ops:
            _invoke(operations, part)
    else:
        operations.invoke(item)


def _plain(identifier: str) -> str:
    return identifier[1:-1].replace('""', '"') if identifier.startswith('"') else identifier
