"""The schema of a table whose model or setting names none."""


def schema_name(schema: str | None) -> str:
    """The schema that a table is in. For a table without one it is `public`: the library assumes that
    `public` is the first schema on the search path.
    """
    return schema or "public"
