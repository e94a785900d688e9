"""Values of enums that are in use."""

from .outside import literal, outside_transaction, quoted, run


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
    """
    place = f" BEFORE {literal(before)}" if before is not None else ""
    with outside_transaction():
        run(
            f"ALTER TYPE {quoted(type_name, schema)} ADD VALUE IF NOT EXISTS {literal(value)}{place}"
        )
