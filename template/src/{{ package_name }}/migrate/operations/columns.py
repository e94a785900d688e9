"""NOT NULL on tables that are in use."""

from hashlib import sha256

from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from .outside import outside_transaction, quoted, row_of, run, undone_by

MANY = 1000  # rows that are counted


def set_not_null_concurrently(
    table_name: str, column_name: str, *, schema: str | None = None
) -> None:
    """Make a column NOT NULL. A check constraint comes first, because it can be validated without
    a strong lock. SET NOT NULL then uses the validated check and skips the scan. The check is
    dropped at the end.

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL

    Args:
        table_name: of the table.
        column_name: of the column.
        schema: of the table.

    Raises:
        CommandError: a lock was not granted; or rows have NULL there, and nothing stays behind.
    """
    table, column = quoted(table_name, schema), quoted(column_name)
    check = quoted(_check_for(column_name))

    def drop_check() -> None:
        run(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}")

    with outside_transaction():
        drop_check()  # of a run that was killed
        run(f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID")
        try:
            with undone_by(drop_check):
                run(f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}")
        except IntegrityError as error:
            raise CommandError(_filled_in_first(table, column)) from error
        run(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
        drop_check()


def drop_not_null(table_name: str, column_name: str, *, schema: str | None = None) -> None:
    """Let a column be NULL.

    Args:
        table_name: of the table.
        column_name: of the column.
        schema: of the table.

    Raises:
        CommandError: the lock was not granted.
    """
    table, column = quoted(table_name, schema), quoted(column_name)
    with outside_transaction():
        run(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")


def _check_for(column_name: str) -> str:
    """The name of the check. Nobody else chooses such a name, so a check that has it was left by a
    run that was killed, and may be dropped.
    """
    return f"set_not_null_concurrently_{sha256(column_name.encode()).hexdigest()[:16]}"


def _filled_in_first(table: str, column: str) -> str:
    nulls = f"SELECT FROM {table} WHERE {column} IS NULL LIMIT {MANY}"
    row = row_of(text(f"SELECT count(*) FROM ({nulls}) AS nulls".replace(":", r"\:")))
    count = row[0] if row else 0
    rows = "1 row" if count == 1 else f"{count} rows{' or more' if count == MANY else ''}"
    return (
        f"{table}.{column} cannot become NOT NULL: it is NULL in {rows}. Fill them in a revision "
        f'before this one: op.execute("UPDATE {table} SET {column} = … WHERE {column} IS NULL"). '
        "Nothing of this one stays behind."
    )
