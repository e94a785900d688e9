"""Creates tables with Alembic's operations, and compares the result with a dump."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Column, Connection, MetaData
from sqlalchemy.exc import SAWarning, SQLAlchemyError

from alembic_live.autogenerate.column_types import existing_type
from alembic_live.autogenerate.compare import comparison, differences_from
from alembic_live.autogenerate.cycles import defer_foreign_keys
from alembic_live.autogenerate.from_scratch.statements import statements_of
from alembic_live.postgres.dump import Schema, SchemaObject, comparable, table_in
from alembic_live.postgres.schemas import schema_name
from alembic_live.runtime.simple_queries import simple_queries

TableName = tuple[str, str]  # schema and name

KINDS = (
    *("CHECK CONSTRAINT", "COMMENT", "CONSTRAINT", "DEFAULT", "FK CONSTRAINT", "IDENTITY"),
    *("INDEX", "INDEX ATTACH", "SEQUENCE", "SEQUENCE OWNED BY", "TABLE", "TABLE ATTACH"),
)
# Other operations create types, which exist already.
TABLE_OPERATIONS = (ops.CreateForeignKeyOp, ops.CreateTableOp, ops.ModifyTableOps)
FAILURES = (CommandError, SQLAlchemyError, NotImplementedError)  # of an operation


@dataclass(frozen=True, slots=True)
class Trial:
    """The operations of the tables, and the tables whose operations failed."""

    operations: list[ops.MigrateOperation]
    failed: set[TableName]


def try_operations(
    connection: Connection,
    metadatas: Sequence[MetaData],
    without: set[TableName],
    columns: Mapping[TableName, list[str]],
) -> Trial:
    """Create the tables of some metadata with Alembic's operations. After a failure, the other
    operations of that table are skipped.

    Args:
        connection: a connection to a database that has all objects that tables need.
        metadatas: the tables.
        without: the tables that exist already.
        columns: the columns of each table, in the order in which they are created.
    """
    migration = MigrationContext.configure(connection, opts=comparison(metadatas, connection))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # about tables that reference each other
        upgrade = differences_from(migration, metadatas)
    defer_foreign_keys(upgrade)
    _skip_type_creation(upgrade.ops)
    _sort_columns(upgrade.ops, columns)
    connection.rollback()
    wanted: list[ops.MigrateOperation] = [
        item
        for item in upgrade.ops
        if isinstance(item, TABLE_OPERATIONS) and changed_table(item) not in without
    ]
    failed: set[TableName] = set()
    operations = Operations(migration)
    with simple_queries(connection), connection.begin():
        for item in wanted:
            if changed_table(item) in failed:
                continue
            try:
                with connection.begin_nested():
                    _invoke(operations, item)
            except FAILURES:
                failed.add(changed_table(item))
    return Trial(wanted, failed)


def changed_table(item: ops.MigrateOperation) -> TableName:
    """The table that an operation creates or changes."""
    if isinstance(item, ops.CreateForeignKeyOp):
        return schema_name(item.kw.get("source_schema")), item.source_table
    name = getattr(item, "table_name", "")
    return schema_name(getattr(item, "schema", None)), name


def by_table(schema: Schema) -> dict[TableName, Schema]:
    """The objects of each table, in the form that `comparable` returns."""
    found: dict[TableName, Schema] = {}
    for obj, sql in comparable(schema).items():
        if owner := table_of(obj, sql, schema):
            found.setdefault(owner, {})[obj] = sql
    return found


def is_part_of(created: Schema, wanted: Schema) -> bool:
    """Whether a created table has no wrong parts, and its missing parts can be added."""
    return all(
        obj in wanted and set(_statements(obj, created)) <= set(_statements(obj, wanted))
        for obj in created
    ) and all(obj in created or _can_be_added(obj, sql) for obj, sql in wanted.items())


def _can_be_added(obj: SchemaObject, sql: str) -> bool:
    """Unique constraints cannot: of two on the same columns, CREATE TABLE creates one, and it is
    unknown which.
    """
    return obj.kind != "IDENTITY" and not (obj.kind == "CONSTRAINT" and " UNIQUE " in sql)


def missing_in(created: Schema, wanted: Schema, schema: Schema) -> Schema:
    """The missing parts of a table, with the SQL that adds them.

    Args:
        created: the objects that the table has.
        wanted: the objects that it should have.
        schema: all objects, with the SQL of pg_dump.
    """
    missing: Schema = {}
    for obj in wanted:
        existing = set(_statements(obj, created)) if obj in created else set()
        if left := [one for one in _statements(obj, wanted) if one not in existing]:
            missing[obj] = "".join(f"{one};\n" for one in left) if existing else schema[obj]
    return missing


def table_of(obj: SchemaObject, sql: str, schema: Schema) -> TableName | None:
    """The table that an object belongs to."""
    if obj.kind not in KINDS:
        return None
    if obj.kind == "TABLE":
        return obj.schema, obj.name
    owned = SchemaObject("SEQUENCE OWNED BY", obj.schema, obj.name)
    return table_in(sql) or (table_in(schema.get(owned, "")) if obj.kind == "SEQUENCE" else None)


def _skip_type_creation(operations: Iterable[ops.MigrateOperation]) -> None:
    """Let CREATE TABLE use existing enums and domains, which SQL has created."""
    for item in operations:
        for column in item.columns if isinstance(item, ops.CreateTableOp) else ():
            if isinstance(column, Column):
                column.type = existing_type(column.type)


def _sort_columns(
    operations: Iterable[ops.MigrateOperation], columns: Mapping[TableName, list[str]]
) -> None:
    """Create columns in the order of the table, whatever the order in its model is."""
    for item in operations:
        if isinstance(item, ops.CreateTableOp):
            order = {name: place for place, name in enumerate(columns.get(changed_table(item), ()))}
            last = len(order)  # constraints follow the columns
            item.columns = sorted(
                item.columns,
                key=lambda part, order=order, last=last: (  # type: ignore[misc]
                    order.get(part.name, last) if isinstance(part, Column) else last
                ),
            )


def _statements(obj: SchemaObject, schema: Schema) -> list[str]:
    return list(statements_of(schema[obj]))


def _invoke(operations: Operations, item: ops.MigrateOperation) -> None:
    if isinstance(item, ops.OpContainer):
        for part in item.ops:
            _invoke(operations, part)
    else:
        operations.invoke(item)
