"""Values of enums that tables in use have."""

from alembic.util import CommandError
from sqlalchemy import text

from alembic_live.operations.non_transactional import (
    execute,
    first_row,
    is_offline,
    outside_transaction,
)
from alembic_live.sql.quoting import identifier, literal

ORDER = text(
    """
    SELECT one.enumsortorder < other.enumsortorder AS is_before
    FROM pg_enum one JOIN pg_enum other USING (enumtypid)
    WHERE one.enumtypid = to_regtype(:type) AND one.enumlabel = :value AND other.enumlabel = :before
    """
)


def add_enum_value(
    type_name: str, value: str, *, before: str | None = None, schema: str | None = None
) -> None:
    """Add a value to an enum, unless the enum has it. Postgres lets a transaction use the value
    only after the commit, so a default with this value belongs in a later revision.

    Args:
        type_name: the name of the enum.
        value: the new value.
        before: the existing value that follows the new one. Default: the new value is the last.
        schema: the schema of the enum.

    Raises:
        CommandError: the enum has the value, but after `before`.
    """
    enum = identifier(schema, type_name)
    place = f" BEFORE {literal(before)}" if before is not None else ""
    with outside_transaction():
        execute(f"ALTER TYPE {enum} ADD VALUE IF NOT EXISTS {literal(value)}{place}")
        if is_offline() or before is None:
            return
        row = first_row(ORDER, type=enum, value=value, before=before)
        if row is not None and not row.is_before:
            raise CommandError(
                f"Enum {type_name} already has the value {value}, but after {before}. This "
                f"revision adds it before {before}, and Postgres cannot move a value. Correct the "
                "revision and the model, or recreate the type with its values in this order."
            )
