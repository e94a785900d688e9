"""Constraints on tables in use: added without a scan of the rows, then validated."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from alembic import op
from alembic.operations.ops import CreateIndexOp
from sqlalchemy import text

from alembic_live.names import possible_names, stored_name
from alembic_live.operations.definitions import (
    find_constraint,
    find_index,
    require_same_constraint,
    require_same_index,
)
from alembic_live.operations.indexes import create_index_concurrently
from alembic_live.operations.non_transactional import (
    drop_if_offline,
    execute,
    is_offline,
    outside_transaction,
    undo_on_error,
)
from alembic_live.sql.quoting import identifier


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
    """Build a unique index concurrently, then turn it into a constraint, which takes a strong lock
    only for a moment. A constraint with the same definition is kept.

    Args:
        constraint_name: the name of the constraint and of its index.
        table_name: the name of the table.
        columns: the columns of the constraint.
        schema: the schema of the table.
        deferrable: whether Postgres can check the constraint at the commit.
        initially: `DEFERRED` or `IMMEDIATE`.
        options: other arguments of `op.create_index`, such as `postgresql_nulls_not_distinct`.

    Raises:
        CommandError: a lock was not granted, or another index or constraint has that name.
        DBAPIError: rows have duplicate values. Nothing remains in the database.
    """
    constraint_name = stored_name(constraint_name)
    name = identifier(constraint_name)
    timing = " DEFERRABLE" if deferrable else ""
    timing += f" INITIALLY {initially}" if initially else ""

    def add_constraint(table: str) -> None:
        execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}{timing}")

    drop_if_offline(lambda: drop_constraint_if_exists(constraint_name, table_name, schema=schema))
    if not is_offline() and (constraint := find_constraint(constraint_name, table_name, schema)):
        wanted = CreateIndexOp(
            constraint_name, table_name, list(columns), schema=schema, unique=True, **options
        )
        with outside_transaction():
            index = find_index(constraint_name, table_name, schema)
            require_same_index(index or constraint, wanted, add_constraint)
        return
    create_index_concurrently(
        constraint_name, table_name, columns, schema=schema, unique=True, **options
    )
    with outside_transaction():
        add_constraint(identifier(schema, table_name))


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
    """Add a foreign key as NOT VALID, which applies to new rows, then validate the existing rows. A
    foreign key with the same definition is kept, and validated if it is NOT VALID.

    Args:
        constraint_name: the name of the constraint.
        source_table: the table that has the foreign key.
        referent_table: the table that it references.
        local_cols: the columns of the source table.
        remote_cols: the columns of the referenced table.
        source_schema: the schema of the source table.
        referent_schema: the schema of the referenced table.
        options: other arguments of `op.create_foreign_key`, such as `ondelete`.

    Raises:
        CommandError: a lock was not granted, or another constraint has that name.
        DBAPIError: a row references a row that does not exist. Nothing that this call added
            remains.
    """

    def add(name: str) -> None:
        op.create_foreign_key(
            op.f(name),
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
    """Add a check constraint as NOT VALID, which applies to new rows, then validate the existing
    rows. A constraint with the same definition is kept, and validated if it is NOT VALID.

    Args:
        constraint_name: the name of the constraint.
        table_name: the name of the table.
        condition: an SQL expression.
        schema: the schema of the table.
        options: other arguments of `op.create_check_constraint`.

    Raises:
        CommandError: a lock was not granted, or another constraint has that name.
        DBAPIError: a row violates the check. Nothing that this call added remains.
    """

    def add(name: str) -> None:
        op.create_check_constraint(
            op.f(name),
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
    """Drop a constraint. A constraint that does not exist is not an error.

    Args:
        constraint_name: the name of the constraint.
        table_name: the name of the table.
        schema: the schema of the table.
        type_: the type of the constraint, for readers of the revision.

    Raises:
        CommandError: the lock was not granted.
    """

    with outside_transaction():
        names = possible_names(constraint_name)
        if len(names) > 1 and not is_offline():
            names = [name for name in names if find_constraint(name, table_name, schema)]
        for name in names[:1]:
            op.drop_constraint(op.f(name), table_name, type_=type_, schema=schema, if_exists=True)


def _add_and_validate(
    constraint_name: str, table_name: str, schema: str | None, add: Callable[[str], None]
) -> None:
    """ADD CONSTRAINT … NOT VALID takes a strong lock for a moment. VALIDATE CONSTRAINT takes long,
    but its lock blocks neither reads nor writes.

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
    """
    constraint_name = stored_name(constraint_name)
    table, name = identifier(schema, table_name), identifier(constraint_name)

    def drop() -> None:
        execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")

    with outside_transaction():
        existing = None if is_offline() else find_constraint(constraint_name, table_name, schema)
        drop_if_offline(drop)
        if existing:
            require_same_constraint(existing, constraint_name, table_name, schema, add)
        else:
            add(constraint_name)
        if existing is None or not existing.is_valid:
            # A constraint that existed before this call may be someone else's work: keep it.
            with nullcontext() if existing else undo_on_error(drop):
                execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
