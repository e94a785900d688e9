"""Values of enums that are in use."""

from alembic.util import CommandError
from sqlalchemy import text

from .outside import is_offline, literal, outside_transaction, quoted, row_of, run

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
    """Add a value to an enum; one that is there already is no error. Postgres lets it be used
    only after a commit, so a default with it belongs into a later revision.

    Args:
        type_name: of the enum.
        value: the new one.
        before: the value that it stands before; at the end without one.
        schema: of the enum.

    Raises:
        CommandError: the value is there already, and stands after `before`.
    """
    enum = quoted(type_name, schema)
    place = f" BEFORE {literal(before)}" if before is not None else ""
    with outside_transaction():
        run(f"ALTER TYPE {enum} ADD VALUE IF NOT EXISTS {literal(value)}{place}")
        if is_offline() or before is None:
            return
        row = row_of(ORDER, type=enum, value=value, before=before)
        if row is not None and not row.is_before:
            raise CommandError(
                f"Enum {type_name} has the value {value} already, and it stands after {before}. This "
                "revision wants it before, and Postgres cannot move a value. Correct the revision "
                "and the model, or make the type again with the values in the wanted order."
            )
