"""NOT NULL on tables in use."""

from hashlib import sha256

from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from alembic_live.operations.non_transactional import (
    execute,
    first_row,
    outside_transaction,
    undo_on_error,
)
from alembic_live.sql.quoting import identifier

MOST_COUNTED = 1000  # rows


def set_not_null_concurrently(
    table_name: str, column_name: str, *, schema: str | None = None
) -> None:
    """Make a column NOT NULL. First, a check constraint is added and validated without a strong
    lock. SET NOT NULL then uses the validated check and skips the scan. At the end, the check is
    dropped.

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL

    Args:
        table_name: the name of the table.
        column_name: the name of the column.
        schema: the schema of the table.

    Raises:
        CommandError: a lock was not granted, or rows have NULL in the column. If rows have NULL,
            nothing remains in the database.
    """
    table, column = identifier(schema, table_name), identifier(column_name)
    check = identifier(_check_name(column_name))

    def drop_check() -> None:
        execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}")

    with outside_transaction():
        drop_check()  # a killed run may have left it
        execute(
            f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID"
        )
        try:
            with undo_on_error(drop_check):
                execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}")
        except IntegrityError as error:
            raise CommandError(_has_nulls(table_name, schema, column)) from error
        execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
        drop_check()


def drop_not_null(table_name: str, column_name: str, *, schema: str | None = None) -> None:
    """Allow NULL in a column.

    Args:
        table_name: the name of the table.
        column_name: the name of the column.
        schema: the schema of the table.

    Raises:
        CommandError: the lock was not granted.
    """
    table, column = identifier(schema, table_name), identifier(column_name)
    with outside_transaction():
        execute(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")


def _check_name(column_name: str) -> str:
    """The name of the check constraint. No other code chooses such a name, so a check with this
    name comes from a killed run and can be dropped.
    """
    return f"set_not_null_concurrently_{sha256(column_name.encode()).hexdigest()[:16]}"


def _has_nulls(table_name: str, schema: str | None, column: str) -> str:
    table = identifier(schema, table_name)
    among = f", schema={schema!r}" if schema else ""
    nulls = f"SELECT FROM {table} WHERE {column} IS NULL LIMIT {MOST_COUNTED}"
    try:
        row = first_row(text(f"SELECT count(*) FROM ({nulls}) AS nulls".replace(":", r"\:")))
    except ProgrammingError:  # insufficient_privilege: row_security is off
        rows = "rows that row-level security hides"
    else:
        count = row[0] if row else 0
        more = " or more" if count == MOST_COUNTED else ""
        rows = "1 row" if count == 1 else f"{count} rows{more}"
    change, where = f"{column} = …", f"{column} IS NULL"
    fill = f"update_in_batches({table_name!r}, {change!r}, where={where!r}{among})"
    return (
        f"{table}.{column} cannot become NOT NULL: it is NULL in {rows}. Fill them in an earlier "
        f"revision: {fill}. "
        "This operation left nothing in the database."
    )
