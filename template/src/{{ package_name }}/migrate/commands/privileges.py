"""What the application's role can do and should not, or should and cannot."""

from sqlalchemy import Connection, text

from ...database.schema import SCHEMA
from ...printable import one_line
from .roles import VERSION_TABLE

QUERY = text(
    """
    WITH tables AS (
        SELECT c.oid, c.relname, c.relowner
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = :schema AND c.relkind IN ('r', 'p')
    )
    SELECT current_user AS role,
           u.rolsuper AS is_superuser,
           EXISTS (SELECT FROM pg_roles o WHERE o.rolname = :owner
                   AND pg_has_role(current_user, o.oid, 'MEMBER')) AS is_member,
           (SELECT datdba = u.oid FROM pg_database WHERE datname = current_database()) AS owns_database,
           coalesce(has_schema_privilege(n.oid, 'CREATE'), false) AS may_create,
           coalesce(has_schema_privilege(n.oid, 'USAGE'), true) AS may_use,
           EXISTS (SELECT FROM tables WHERE relowner = u.oid) AS owns_tables,
           EXISTS (SELECT FROM tables WHERE relname = :version
                   AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE')) AS writes_version,
           (SELECT string_agg(relname, ', ' ORDER BY relname) FROM tables WHERE relname <> :version
            AND NOT has_table_privilege(oid, 'SELECT')) AS unreadable
    FROM pg_roles u LEFT JOIN pg_namespace n ON n.nspname = :schema
    WHERE u.rolname = current_user
    """
)


def what_is_wrong_with_the_application(connection: Connection, owner: str) -> str | None:
    """A sentence, and what to do about it; None where all is well.

    Args:
        connection: the application's.
        owner: the role that migrates.
    """
    schema = SCHEMA or "public"
    values = {"schema": schema, "owner": owner, "version": VERSION_TABLE}
    row = connection.execute(QUERY, values).one()
    connection.rollback()
    too_much = [
        words
        for is_so, words in (
            (row.is_superuser, "is a superuser"),
            (row.is_member, f'is a member of "{owner}", the role that migrates'),
            (row.owns_database, "owns the database"),
            (row.may_create, "may create tables"),
            (row.owns_tables, "owns tables"),
            (row.writes_version, "may write the version table"),
        )
        if is_so
    ]
    remedy = "`uv run db roles` prints SQL that mends it."
    if too_much:
        return (
            f'The application\'s role "{row.role}" {" and ".join(too_much)}, so it can change the '
            f"schema. {remedy}"
        )
    unreadable = one_line(row.unreadable or "") if row.may_use else f'schema "{schema}"'
    if unreadable:
        return f'The application\'s role "{row.role}" may not read {unreadable}. {remedy}'
    return None
