"""Indexes on tables that are in use."""

from collections.abc import Sequence
from typing import Any

from alembic import op
from alembic.operations.ops import CreateIndexOp
from alembic.util import CommandError
from sqlalchemy import ColumnElement, TextClause

from .definitions import FoundIndex, index_of, require_same_index
from .outside import again, drop_unasked, is_offline, outside_transaction, undone_by


def create_index_concurrently(
    index_name: str,
    table_name: str,
    columns: Sequence[str | TextClause | ColumnElement[Any]],
    *,
    schema: str | None = None,
    unique: bool = False,
    **options: Any,
) -> None:
    """Build an index. A build that was cut off leaves an invalid one, which is dropped first. A
    valid one with the same definition is kept.

    Args:
        index_name: of the index.
        table_name: of the table.
        columns: names or expressions.
        schema: of the table.
        unique: whether no two rows may have the same values.
        options: what `op.create_index` takes besides, such as `postgresql_where`.

    Raises:
        CommandError: there is another index of that name, or the one that was built is not valid.
        DBAPIError: rows have the same values; nothing stays behind.
    """

    def there() -> FoundIndex | None:
        found = index_of(index_name, table_name, schema)
        if found and found.table != table_name:
            raise CommandError(
                f"Table {found.table} has an index {index_name} already; choose another name."
            )
        return found

    def drop_if_invalid() -> None:
        found = there()
        if found and not found.is_valid:
            drop(index_name, table_name, found.schema)

    def build() -> None:
        drop_unasked(lambda: drop(index_name, table_name, schema))
        if not is_offline():
            drop_if_invalid()
            if found := there():
                wanted = CreateIndexOp(
                    index_name, table_name, list(columns), schema=schema, unique=unique, **options
                )
                require_same_index(found, wanted)
                return
        with undone_by(drop_if_invalid):
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
        again(build)
        if is_offline():
            return
        built = there()
        if built is None:
            raise CommandError(
                f"Index {index_name} was not built, because something else in the schema has that "
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
    """Drop an index; one that is gone already is no error.

    Args:
        index_name: of the index.
        table_name: of the table.
        schema: of the table.

    Raises:
        CommandError: the index of that name belongs to another table.
    """

    def drop_if_there() -> None:
        found = index_of(index_name, table_name, schema)
        if found and found.table != table_name:
            raise CommandError(
                f"Index {index_name} belongs to table {found.table}, not to {table_name}, so it was "
                "not dropped. Correct the name of the table or of the index."
            )
        if found:
            drop(index_name, table_name, found.schema)

    with outside_transaction():
        if is_offline():
            drop(index_name, table_name, schema)
        else:
            again(drop_if_there)


def drop(index_name: str, table_name: str, schema: str | None) -> None:
    """The statement alone, outside of a transaction already."""
    op.drop_index(
        index_name, table_name, schema=schema, if_exists=True, postgresql_concurrently=True
    )
