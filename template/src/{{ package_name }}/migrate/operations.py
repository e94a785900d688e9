"""Operations for revisions that Alembic does not have."""

from collections.abc import Sequence
from typing import Any

from alembic import op
from alembic.util import CommandError
from sqlalchemy import ColumnElement, TextClause, text

INDEX = text(
    """
    SELECT t.relname, i.indisvalid
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
    """Build an index while others go on reading and writing the table.

    It cannot be part of a transaction: what the revision did before is committed, so keep it the
    only thing that a revision does. A build that was cut off leaves an invalid index, which is
    dropped first; one that is there and valid is kept, so a revision that was killed can be run
    again.

    Args:
        index_name: of the index.
        table_name: of the table.
        columns: names or expressions.
        schema: of the table.
        unique: whether no two rows may have the same values.
        options: what `op.create_index` takes besides, such as `postgresql_where`.

    Raises:
        CommandError: another table has an index of that name, or the index is not valid.
    """
    with op.get_context().autocommit_block():
        if op.get_context().as_sql:
            # Nothing can be asked there, so whatever is there is built again.
            _drop(index_name, table_name, schema)
        elif _is_valid(index_name, table_name, schema) is False:
            _drop(index_name, table_name, schema)
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
        if not op.get_context().as_sql and not _is_valid(index_name, table_name, schema):
            raise CommandError(
                f"Index {index_name} was built but is not valid, so Postgres does not use it. Run "
                "the command again: it is dropped and built anew."
            )


def drop_index_concurrently(
    index_name: str, table_name: str, *, schema: str | None = None, **_options: Any
) -> None:
    """Drop an index while others go on reading and writing the table. One that is gone already
    is no error, so a revision that was killed can be run again.
    """
    with op.get_context().autocommit_block():
        _drop(index_name, table_name, schema)


def _drop(index_name: str, table_name: str, schema: str | None) -> None:
    op.drop_index(
        index_name, table_name, schema=schema, if_exists=True, postgresql_concurrently=True
    )


def _is_valid(index_name: str, table_name: str, schema: str | None) -> bool | None:
    """Whether the index is valid; None where there is none."""
    row = (
        op.get_bind()
        .execute(INDEX, {"name": index_name, "table": table_name, "schema": schema})
        .first()
    )
    if row is None:
        return None
    if row.relname != table_name:
        raise CommandError(
            f"Table {row.relname} has an index {index_name} already; choose another name."
        )
    return bool(row.indisvalid)
