"""Changes that would shut out everybody else for long, or fail on rows. They are refused where
they cannot work, and else marked in the revision and warned of.
"""

import logging
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from alembic_postgresql_enum.operations.sync_enum_values import SyncEnumValuesOp
from sqlalchemy import JSON, Column, Connection, Dialect, Identity, MetaData, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn

from ...printable import one_line
from ..errors import sqlstate
from .concurrently import created_tables, is_partitioned, kind_of
from .lines import Comment
from .renames import shown

log = logging.getLogger("alembic.autogenerate")

REWRITES = "Writes all of {table} anew, which nobody can read or write meanwhile (ACCESS EXCLUSIVE)"
DATATYPE_MISMATCH = "42804"  # a type that does not become the other by itself

RECIPES = {
    "default": "its default is worked out for each row. Without that: add the column without the "
    "default, give the default to new rows in a later revision (op.alter_column), fill the old "
    "ones in batches, and make it NOT NULL at last.",
    "computed": "it is worked out for each row. Without that: on Postgres 18 let it be worked out "
    "when it is read (Computed(..., persisted=False)); else add a plain column that the service "
    "or a trigger fills, and fill the old rows in batches.",
    "identity": "each row gets its number. Without that: add a plain column, fill it in batches, "
    "and make it an identity (op.alter_column(server_default=sa.Identity())) at last.",
    "type": "its values are stored in another way. Without that: add a column of the new type, let "
    "the service write both, copy in batches, read the new one, and drop the old one at last.",
    "enum": "the type is made anew. Without that: only add values, or rename them "
    "(ALTER TYPE … RENAME VALUE).",
}


def refuse_what_must_fail(upgrade: ops.UpgradeOps) -> None:
    """A table that has rows can get no column that is NOT NULL and has no value for them.

    Raises:
        CommandError: there is one; the text tells the ways out.
    """
    new = created_tables(upgrade)
    names = [
        shown(item.schema, item.table_name, item.column.name)
        for group in upgrade.ops
        if isinstance(group, ops.ModifyTableOps) and (group.schema, group.table_name) not in new
        for item in group.ops
        if isinstance(item, ops.AddColumnOp) and has_no_value(item.column)
    ]
    if names:
        raise CommandError(
            f"No revision was written. {', '.join(names)}: NOT NULL without a server default, which "
            "rows that are there already could not satisfy (a Python default=… does not reach "
            "them). Either give a server_default; or allow NULL (Mapped[… | None]) in this "
            'revision, fill the rows in the next (op.execute("UPDATE …")), and make it NOT NULL in '
            "a third, which autogenerate writes so that nobody has to wait."
        )


def mark(migration: MigrationContext, script: ops.MigrationScript) -> None:
    """Write a comment above each change that shuts others out, and warn of it."""
    metadata = migration.opts["target_metadata"]
    for container, prefix in (
        (script.upgrade_ops, ""),
        (script.downgrade_ops, "On the way back: "),
    ):
        assert container is not None
        new = created_tables(container) if isinstance(container, ops.UpgradeOps) else set()
        for group in list(container.ops):
            if isinstance(group, ops.ModifyTableOps):
                is_new = (group.schema, group.table_name) in new
                for item in list(group.ops):
                    _mark(group.ops, item, prefix, _of_change(migration, metadata, item, is_new))
            elif isinstance(group, ops.CreateTableOp):
                for column in group.to_table().columns:
                    text = _of_json(migration.dialect, column, group.table_name)
                    _mark(container.ops, group, prefix, text)
            elif isinstance(group, SyncEnumValuesOp):
                _mark(container.ops, group, prefix, _of_enum(group))


def _mark(where: list[Any], item: Any, prefix: str, text: str | None) -> None:
    if text:
        where.insert(where.index(item), Comment(text))
        log.warning("%s%s", prefix, one_line(text))


def _of_change(
    migration: MigrationContext, metadata: MetaData, item: Any, is_new: bool
) -> str | None:
    connection = migration.connection
    assert connection is not None
    if isinstance(item, ops.AddColumnOp):
        if is_new:
            return None
        return _of_new_column(connection, item) or _of_json(
            connection.dialect, item.column, item.table_name
        )
    if is_new:
        return None
    if isinstance(item, ops.AlterColumnOp) and item.modify_type is not None:
        return _of_new_type(connection, item)
    if kind_of(item) in ("index", "unique", "foreignkey") and not isinstance(
        item, ops.DropIndexOp | ops.DropConstraintOp
    ):
        return _of_partitioned(item, metadata)
    return None


def _of_new_column(connection: Connection, item: ops.AddColumnOp) -> str | None:
    column = Table("probe", MetaData(), item.column._copy()).columns[item.column.name]
    definition = str(CreateColumn(column).compile(dialect=connection.dialect))
    rewrites = _rewrites(connection, item, f"ADD COLUMN {definition.strip()}")
    if rewrites is False or (rewrites is not True and not (column.identity or column.computed)):
        return None
    kind = "identity" if column.identity else "computed" if column.computed else "default"
    return _sentence(item, f"{column.name} is added and", kind)


def _of_new_type(connection: Connection, item: ops.AlterColumnOp) -> str | None:
    assert item.modify_type is not None
    quote = connection.dialect.identifier_preparer.quote
    new = item.modify_type.compile(dialect=connection.dialect)
    using = item.kw.get("postgresql_using")
    change = f"ALTER COLUMN {quote(item.column_name)} TYPE {new}"
    change += f" USING {using}" if using else ""
    before = []
    if item.existing_type is not None:  # on the way back the table has the other one
        old = item.existing_type.compile(dialect=connection.dialect)
        before = [f"ALTER COLUMN {quote(item.column_name)} TYPE {old} USING NULL"]
    rewrites = _rewrites(connection, item, *before, change)
    if rewrites is False:
        return None
    if rewrites == DATATYPE_MISMATCH:
        return (
            f"Postgres does not make {new} of {item.table_name}.{item.column_name} by itself: say how, "
            f"with postgresql_using={f'{quote(item.column_name)}::{new}'!r} in the alter_column below."
        )
    return _sentence(item, f"{item.column_name} becomes {new} and", "type")


def _of_partitioned(item: Any, metadata: MetaData) -> str | None:
    table = item.source_table if isinstance(item, ops.CreateForeignKeyOp) else item.table_name
    if not is_partitioned(item, metadata):
        return None
    return (
        f"Shuts out writers of {table} while it is at work (SHARE), because the table consists of "
        "others. Without that: do it to each of them first, with the operations that end in "
        "_concurrently, then to the table itself ON ONLY, and ATTACH."
    )


def _of_json(dialect: Dialect, column: Column[Any], table: str) -> str | None:
    type_ = column.type.dialect_impl(dialect)
    if not isinstance(type_, JSON) or isinstance(type_, JSONB):
        return None
    return (
        f"{table}.{column.name} is json, which is kept as a text: it has no = and no index, and is "
        "parsed at every reading. sqlalchemy.dialects.postgresql.JSONB is nearly always meant."
    )


def _of_enum(item: SyncEnumValuesOp) -> str | None:
    tables = sorted({reference.table_name for reference in item.affected_columns})
    return f"{REWRITES.format(table=', '.join(tables))}: {RECIPES['enum']}" if tables else None


def _sentence(item: Any, what: str, kind: str) -> str:
    table = shown(item.schema, item.table_name)
    return f"{REWRITES.format(table=table)}: {what} {RECIPES[kind]}"


def has_no_value(column: Column[Any]) -> bool:
    """Whether rows that are there already could not get the column."""
    return (
        not column.nullable
        and column.server_default is None
        and column.computed is None
        and not isinstance(column.identity, Identity)
    )


def _rewrites(connection: Connection, item: Any, *changes: str) -> bool | str:
    """Whether the last of the changes writes all rows anew: they are tried on an empty copy of the
    table, and taken back. Where Postgres refuses one, the error's code.
    """
    quote = connection.dialect.identifier_preparer.quote
    table = (
        f"{quote(item.schema)}.{quote(item.table_name)}" if item.schema else quote(item.table_name)
    )
    where = "SELECT pg_relation_filenode('pg_temp.probe')"
    savepoint = connection.begin_nested()
    try:
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE probe (LIKE {table}) ON COMMIT DROP")
        files = []
        for change in changes:
            files.append(connection.exec_driver_sql(where).scalar())
            connection.exec_driver_sql(f"ALTER TABLE pg_temp.probe {change}")
        return bool(connection.exec_driver_sql(where).scalar() != files[-1])
    except DBAPIError as error:
        return sqlstate(error)
    finally:
        savepoint.rollback()
