"""Indexes on tables in use."""

from collections.abc import Sequence
from typing import Any

from alembic import op
from alembic.operations.ops import CreateIndexOp
from alembic.util import CommandError
from sqlalchemy import ColumnElement, TextClause

from alembic_live.names import cut_name, possible_names, stored_name
from alembic_live.operations.definitions import (
    ExistingIndex,
    find_index,
    require_same_index,
)
from alembic_live.operations.non_transactional import (
    drop_if_offline,
    is_offline,
    outside_transaction,
    undo_on_error,
    with_retries,
)


def create_index_concurrently(
    index_name: str,
    table_name: str,
    columns: Sequence[str | TextClause | ColumnElement[Any]],
    *,
    schema: str | None = None,
    unique: bool = False,
    **options: Any,
) -> None:
    """Build an index. An invalid index from an interrupted build is dropped first. A valid index
    with the same definition is kept.

    Args:
        index_name: the name of the index.
        table_name: the name of the table.
        columns: names or expressions.
        schema: the schema of the table.
        unique: whether the index is unique.
        options: other arguments of `op.create_index`, such as `postgresql_where`.

    Raises:
        CommandError: another index has that name, or the new index is not valid.
        DBAPIError: a unique index found duplicate values. Nothing remains in the database.
    """

    index_name = stored_name(index_name)

    def find() -> ExistingIndex | None:
        existing = find_index(index_name, table_name, schema)
        if existing and existing.table != cut_name(table_name):
            raise CommandError(
                f"Table {existing.table} already has an index {index_name}. Choose another name."
            )
        return existing

    def drop_if_invalid() -> None:
        existing = find()
        if existing and not existing.is_valid:
            _drop(index_name, table_name, existing.schema)

    def build() -> None:
        drop_if_offline(lambda: _drop(index_name, table_name, schema))
        if not is_offline():
            drop_if_invalid()
            if existing := find():
                wanted = CreateIndexOp(
                    index_name, table_name, list(columns), schema=schema, unique=unique, **options
                )
                require_same_index(existing, wanted)
                return
        with undo_on_error(drop_if_invalid):
            op.create_index(
                index_name,
                table_name,
                list(columns),
                schema=schema,
                unique=unique,
                if_not_exists=True,
                postgresql_concurrently=True,
                **options,
            )

    with outside_transaction():
        with_retries(build)
        if is_offline():
            return
        built = find()
        if built is None:
            raise CommandError(
                f"Index {index_name} was not built, because another object in the schema has that "
                "name. Choose another name."
            )
        if not built.is_valid:
            raise CommandError(
                f"Index {index_name} was built but is not valid, so Postgres does not use it. Run "
                "the command again: it drops the index and builds it again."
            )


def drop_index_concurrently(
    index_name: str, table_name: str, *, schema: str | None = None, **_options: Any
) -> None:
    """Drop an index. An index that does not exist is not an error.

    Args:
        index_name: the name of the index.
        table_name: the name of the table.
        schema: the schema of the table.

    Raises:
        CommandError: the index of that name belongs to another table.
    """

    names = possible_names(index_name)

    def drop_if_exists() -> None:
        found = ((name, find_index(name, table_name, schema)) for name in names)
        name, existing = next(((name, index) for name, index in found if index), ("", None))
        if existing and existing.table != cut_name(table_name):
            raise CommandError(
                f"Index {name} belongs to table {existing.table}, not to {table_name}, so it was "
                "not dropped. Correct the name of the table or of the index."
            )
        if existing:
            _drop(name, table_name, existing.schema)

    with outside_transaction():
        if is_offline():
            _drop(names[0], table_name, schema)
        else:
            with_retries(drop_if_exists)


def _drop(index_name: str, table_name: str, schema: str | None) -> None:
    op.drop_index(
        index_name, table_name, schema=schema, if_exists=True, postgresql_concurrently=True
    )
