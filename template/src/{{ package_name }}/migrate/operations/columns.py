"""NOT NULL on tables that are in use."""

from .outside import briefly, outside_transaction, quoted, run, undone_by


def set_not_null_concurrently(
    table_name: str, column_name: str, *, schema: str | None = None
) -> None:
    """Make a column NOT NULL. A check constraint comes first, because it can be validated
    without a strong lock, and SET NOT NULL then believes it instead of reading the whole table.

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL

    Args:
        table_name: of the table.
        column_name: of the column.
        schema: of the table.

    Raises:
        CommandError: a lock was not to be had.
        DBAPIError: a row has NULL there; nothing stays behind.
    """
    table, column = quoted(table_name, schema), quoted(column_name)
    check = quoted(f"{column_name}_is_not_null")

    def drop_check() -> None:
        briefly(lambda: run(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}"))

    with outside_transaction():
        drop_check()  # of a run that was killed
        briefly(
            lambda: run(
                f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID"
            )
        )
        with undone_by(drop_check):
            run(f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}")
        briefly(lambda: run(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"))
        drop_check()


def drop_not_null(table_name: str, column_name: str, *, schema: str | None = None) -> None:
    """Let a column be NULL.

    Args:
        table_name: of the table.
        column_name: of the column.
        schema: of the table.

    Raises:
        CommandError: the lock was not to be had.
    """
    table, column = quoted(table_name, schema), quoted(column_name)
    with outside_transaction():
        briefly(lambda: run(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL"))
