"""Reflects the tables of a database, in a form that Alembic renders as a person would write it."""

import re
import warnings
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Constraint,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    text,
    types,
)
from sqlalchemy.dialects.postgresql import DOMAIN, TIMESTAMP
from sqlalchemy.exc import SAWarning
from sqlalchemy.sql.elements import TextClause, conv

from alembic_live.postgres.relations import Relations
from alembic_live.postgres.schemas import schema_name

# SQL types that are rendered as SQLAlchemy's generic types.
WITH_GENERIC_TYPE = (
    *(types.BIGINT, types.BOOLEAN, types.DATE, types.INTEGER, types.NUMERIC, types.SMALLINT),
    *(types.TEXT, types.VARCHAR),
)

# Foreign keys that Postgres adds for each partition of a referenced table.
PARTITION_FOREIGN_KEYS = text(
    """
    SELECT n.nspname, c.relname, k.conname FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype = 'f' AND k.conparentid <> 0
    """
)
PARTITIONED = text(
    """
    SELECT n.nspname, c.relname, pg_get_partkeydef(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'p'
    """
)
STORAGE = text(
    """
    SELECT n.nspname, c.relname, c.relpersistence = 'u' AS is_unlogged, c.reloptions
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND (c.relpersistence = 'u' OR c.reloptions IS NOT NULL)
    """
)


def metadata_of(connection: Connection, schemas: Iterable[str], version_table: str) -> MetaData:
    """The metadata of the tables in some schemas, without the version table."""
    metadata = MetaData()
    default = connection.dialect.default_schema_name
    relations = Relations.of(connection)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # SQL creates what SQLAlchemy does not know
        for schema in [None if each == default else each for each in schemas]:

            def is_wanted(name: str, _metadata: MetaData, schema: str | None = schema) -> bool:
                is_other = name == version_table or relations.is_left_alone(schema, name, ())
                return not is_other

            metadata.reflect(
                connection,
                schema=schema,
                only=is_wanted,
                resolve_fks=False,
            )
    remove_partition_foreign_keys(metadata, connection)
    add_partitioning(metadata, connection)
    for table in metadata.tables.values():
        for constraint in table.constraints:
            _simplify(constraint)
        for index in table.indexes:
            _simplify(index)
        for column in table.columns:
            _simplify_column(column)
    return metadata


def remove_partition_foreign_keys(metadata: MetaData, connection: Connection) -> None:
    """Remove the foreign keys that Postgres adds for each partition of a referenced table."""
    added = {tuple(row) for row in connection.execute(PARTITION_FOREIGN_KEYS)}
    for table in metadata.tables.values():
        for key in list(table.foreign_key_constraints):
            if (schema_name(table.schema), table.name, key.name) in added:
                table.constraints.discard(key)
                for element in key.elements:
                    table.foreign_keys.discard(element)
                    element.parent.foreign_keys.discard(element)


def add_partitioning(metadata: MetaData, connection: Connection) -> None:
    """Add PARTITION BY to the tables, which SQLAlchemy does not reflect."""
    for schema, name, key in connection.execute(PARTITIONED).all():
        if (table := _table(metadata, connection, schema, name)) is not None:
            table.dialect_kwargs["postgresql_partition_by"] = key


def add_storage(metadata: MetaData, connection: Connection) -> None:
    """Add UNLOGGED, in `info`, and the storage parameters to the tables, which SQLAlchemy does not reflect."""
    for schema, name, is_unlogged, options in connection.execute(STORAGE).all():
        if (table := _table(metadata, connection, schema, name)) is not None:
            if is_unlogged:
                table.info["prefixes"] = ["UNLOGGED"]
            if options:
                parameters = dict(each.split("=", 1) for each in options)
                table.dialect_kwargs["postgresql_with"] = parameters


def _table(metadata: MetaData, connection: Connection, schema: str, name: str) -> Table | None:
    """The table that has no schema in the metadata if it is in the default one."""
    default = connection.dialect.default_schema_name
    plain = metadata.tables.get(name) if schema == default else None
    return metadata.tables.get(f"{schema}.{name}") if plain is None else plain


def escaped(sql: str) -> str:
    """SQL for `text()`, which takes a colon before a word for a parameter."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", sql)


def _simplify(item: Constraint | Index) -> None:
    if item.name:  # complete: the models' naming convention does not apply
        item.name = conv(str(item.name))
    for option, value in list(item.dialect_kwargs.items()):
        if not value:
            del item.dialect_kwargs[option]


def _simplify_column(column: Column[Any]) -> None:
    type_ = column.type
    is_plain_time = type(type_) is TIMESTAMP and type_.precision is None
    if type(type_) in WITH_GENERIC_TYPE or is_plain_time:
        column.type = type_.as_generic()
    if isinstance(type_, DOMAIN):
        type_.create_type = False
    is_serial = str(getattr(column.server_default, "arg", "")).startswith("nextval(")
    is_integer = isinstance(type_, Integer)
    if is_serial and is_integer:
        column.server_default = None  # SERIAL creates it
    elif isinstance(default := getattr(column.server_default, "arg", None), TextClause):
        default.text = escaped(default.text)
    if column.identity is not None:
        _simplify_identity(column.identity, type_)
    counts_by_itself = is_serial or column.identity is not None
    is_key = column.primary_key and is_integer
    column.autoincrement = False if is_key and not counts_by_itself else "auto"


def _simplify_identity(identity: Identity, type_: Any) -> None:
    """Remove options that have their default values."""
    bits = 16 if isinstance(type_, SmallInteger) else 64 if isinstance(type_, BigInteger) else 32
    defaults = {"start": 1, "increment": 1, "minvalue": 1, "maxvalue": 2 ** (bits - 1) - 1}
    for name, value in (defaults | {"cache": 1, "cycle": False}).items():
        if getattr(identity, name) == value:
            setattr(identity, name, None)
