"""Indexes on tables that are in use."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from alembic import op
from alembic.util import CommandError
from sqlalchemy import ColumnElement, TextClause, text

from .outside import again, drop_unasked, is_offline, outside_transaction, row_of, undone_by

INDEX = text(
    """
    SELECT t.relname, i.indisvalid, i.indisunique, pg_get_indexdef(c.oid) AS definition,
           ARRAY(SELECT pg_get_indexdef(c.oid, position, true)
                 FROM generate_series(1, i.indnkeyatts) position) AS columns
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
    WHERE c.relname = :name AND c.relnamespace = coalesce(
        to_regnamespace(quote_ident(:schema)),
        (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(quote_ident(:table))))
    """
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
    """Build an index. A build that was cut off leaves an invalid one, which is dropped first;
    one that is there and valid is kept.

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

    def build() -> None:
        drop_it = partial(drop, index_name, table_name, schema)
        drop_unasked(drop_it)
        if not is_offline() and is_valid() is False:
            drop_it()
        with undone_by(drop_it):
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

    def is_valid() -> bool | None:
        """None where there is none."""
        row = row_of(INDEX, name=index_name, table=table_name, schema=schema)
        if row is None:
            return None
        if row.relname != table_name:
            raise CommandError(
                f"Table {row.relname} has an index {index_name} already; choose another name."
            )
        names = [column if isinstance(column, str) else None for column in columns]
        is_other = None not in names and names != [_unquoted(column) for column in row.columns]
        if row.indisvalid and (row.indisunique != unique or is_other):
            raise CommandError(
                f"There is another index {index_name} already: {row.definition}. Drop it in a "
                "revision before this one, or choose another name."
            )
        return bool(row.indisvalid)

    with outside_transaction():
        again(build)
        if not is_offline() and not is_valid():
            raise CommandError(
                f"Index {index_name} was built but is not valid, so Postgres does not use it. Run "
                "the command again: it is dropped and built anew."
            )


def drop_index_concurrently(
    index_name: str, table_name: str, *, schema: str | None = None, **_options: Any
) -> None:
    """Drop an index; one that is gone already is no error.

    Args:
        index_name: of the index.
        table_name: of the table.
        schema: of the table.
    """
    with outside_transaction():
        again(lambda: drop(index_name, table_name, schema))


def drop(index_name: str, table_name: str, schema: str | None) -> None:
    """The statement alone, outside of a transaction already."""
    op.drop_index(
        index_name, table_name, schema=schema, if_exists=True, postgresql_concurrently=True
    )


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
