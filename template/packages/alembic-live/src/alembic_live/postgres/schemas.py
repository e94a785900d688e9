"""The schema of a table whose model or setting names none."""

PUBLIC = "public"


def schema_name(schema: str | None, default: str = "") -> str:
    """The schema that a table is in.

    Args:
        schema: the one that its model or setting names.
        default: the one that alembic.ini names for the others. Without it, the library assumes that
            `public` is the first schema on the search path.
    """
    return schema or default or PUBLIC
