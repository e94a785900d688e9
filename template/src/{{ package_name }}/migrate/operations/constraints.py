"""Constraints on tables that are in use: added without looking at the rows, then validated."""

from collections.abc import Callable, Sequence
from typing import Any

from alembic import op
from sqlalchemy import text

from .indexes import create_index_concurrently
from .outside import (
    drop_unasked,
    is_offline,
    outside_transaction,
    quoted,
    row_of,
    run,
    undone_by,
)

CONSTRAINT = text(
    "SELECT convalidated FROM pg_constraint"
    " WHERE conname = :name AND conrelid = to_regclass(:table)"
)


def create_unique_constraint_concurrently(
    constraint_name: str,
    table_name: str,
    columns: Sequence[str],
    *,
    schema: str | None = None,
    deferrable: bool | None = None,
    initially: str | None = None,
    **options: Any,
) -> None:
    """Build a unique index, which takes its time, and make it a constraint, which does not.

    Args:
        constraint_name: as it is to be in the database; the index's too.
        table_name: of the table.
        columns: whose values together may occur once.
        schema: of the table.
        deferrable: whether it may be looked at as late as at the commit.
        initially: `DEFERRED` where it is unless said otherwise.
        options: of the index, such as `postgresql_nulls_not_distinct`.

    Raises:
        CommandError: a lock was not to be had, or another table has an index of that name.
        DBAPIError: rows have the same values; nothing stays behind.
    """
    table = quoted(table_name, schema)
    drop_unasked(lambda: drop_constraint_if_exists(constraint_name, table_name, schema=schema))
    if not is_offline() and _is_validated(constraint_name, table) is not None:
        return
    create_index_concurrently(
        constraint_name, table_name, columns, schema=schema, unique=True, **options
    )
    name = quoted(constraint_name)
    timing = " DEFERRABLE" if deferrable else ""
    timing += f" INITIALLY {initially}" if initially else ""
    with outside_transaction():
        run(f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}{timing}")


def create_foreign_key_concurrently(
    constraint_name: str,
    source_table: str,
    referent_table: str,
    local_cols: Sequence[str],
    remote_cols: Sequence[str],
    *,
    source_schema: str | None = None,
    referent_schema: str | None = None,
    **options: Any,
) -> None:
    """Add a foreign key for the rows to come, then look whether the rows that are there keep to it.

    Args:
        constraint_name: as it is to be in the database.
        source_table: that refers.
        referent_table: that is referred to.
        local_cols: of the source.
        remote_cols: of the referent.
        source_schema: of the source.
        referent_schema: of the referent.
        options: what `op.create_foreign_key` takes besides, such as `ondelete`.

    Raises:
        CommandError: a lock was not to be had.
        DBAPIError: a row refers to none; nothing stays behind.
    """

    def add() -> None:
        op.create_foreign_key(
            op.f(constraint_name),
            source_table,
            referent_table,
            list(local_cols),
            list(remote_cols),
            source_schema=source_schema,
            referent_schema=referent_schema,
            postgresql_not_valid=True,
            **options,
        )

    _add_and_validate(constraint_name, source_table, source_schema, add)


def create_check_constraint_concurrently(
    constraint_name: str,
    table_name: str,
    condition: str,
    *,
    schema: str | None = None,
    **options: Any,
) -> None:
    """Add a check for the rows to come, then look whether the rows that are there keep to it.

    Args:
        constraint_name: as it is to be in the database.
        table_name: of the table.
        condition: SQL.
        schema: of the table.
        options: what `op.create_check_constraint` takes besides.

    Raises:
        CommandError: a lock was not to be had.
        DBAPIError: a row does not keep to it; nothing stays behind.
    """

    def add() -> None:
        op.create_check_constraint(
            op.f(constraint_name),
            table_name,
            text(condition.replace(":", r"\:")),
            schema=schema,
            postgresql_not_valid=True,
            **options,
        )

    _add_and_validate(constraint_name, table_name, schema, add)


def drop_constraint_if_exists(
    constraint_name: str, table_name: str, *, schema: str | None = None, type_: str | None = None
) -> None:
    """Drop a constraint; one that is gone already is no error.

    Args:
        constraint_name: as it is in the database.
        table_name: of the table.
        schema: of the table.
        type_: says to the reader what it is.

    Raises:
        CommandError: the lock was not to be had.
    """

    def drop() -> None:
        op.drop_constraint(
            op.f(constraint_name), table_name, type_=type_, schema=schema, if_exists=True
        )

    with outside_transaction():
        drop()


def _add_and_validate(
    constraint_name: str, table_name: str, schema: str | None, add: Callable[[], None]
) -> None:
    """The first needs a strong lock for a moment; the second takes its time, and a lock that
    keeps nobody from reading and writing.

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
    """
    table, name = quoted(table_name, schema), quoted(constraint_name)

    def drop() -> None:
        run(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")

    with outside_transaction():
        validated = None if is_offline() else _is_validated(constraint_name, table)
        drop_unasked(drop)
        if validated is None:
            add()
        if not validated:
            with undone_by(drop):
                run(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def _is_validated(constraint_name: str, table: str) -> bool | None:
    """Whether all rows are known to keep to it; None where there is no such constraint."""
    row = row_of(CONSTRAINT, name=constraint_name, table=table)
    return None if row is None else bool(row.convalidated)
