"""What the role that migrates may not do, and the SQL that lets it."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from alembic_live.postgres.grants import (
    choose_schema,
    give_to,
    grant_on_rows,
    grant_on_schema,
    grant_on_tablespace,
)
from alembic_live.printable import one_line
from alembic_live.sql.quoting import identifier, require_printable

Table = tuple[str, str]  # schema and name

SCHEMA = text(
    """
    SELECT current_user, current_database(),
           has_database_privilege(current_database(), 'CREATE'),
           (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = :schema)
    """
)
# Tables and views, and the enums and domains of their columns. What belongs to an extension is its
# owner's.
OTHERS = text(
    """
    WITH named AS (
        SELECT c.oid, c.reltype, c.relowner AS owner FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) AS wanted (schema, name)
          ON n.nspname = wanted.schema AND c.relname = wanted.name
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    ), objects AS (
        SELECT oid::regclass::text AS name, oid, owner FROM named
        UNION
        SELECT t.oid::regtype::text, t.oid, t.typowner
        FROM named JOIN pg_attribute a ON a.attrelid = named.oid JOIN pg_type t ON t.oid = a.atttypid
        WHERE t.typtype IN ('e', 'd') AND t.typnamespace <> 'information_schema'::regnamespace
    )
    SELECT name, owner::regrole::text FROM objects
    WHERE NOT pg_has_role(owner, 'USAGE')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = objects.oid AND d.deptype = 'e')
    ORDER BY 1
    """
)
ROWS = text(
    """
    SELECT current_user, (
        SELECT bool_and(has_table_privilege(to_regclass(:table), privilege))
        FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege)
    """
)
# A new table goes into the default one, a new partition into that of its table.
TABLESPACES = text(
    """
    SELECT s.spcname FROM pg_tablespace s
    WHERE NOT has_tablespace_privilege(s.oid, 'CREATE') AND (
        s.spcname = current_setting('default_tablespace')
        OR s.oid IN (
            SELECT c.reltablespace FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'p' AND n.nspname = ANY(CAST(:schemas AS text[]))))
    ORDER BY 1
    """
)


def problem_with_schema(connection: Connection, schema: str) -> str:
    """Why the role may not create tables in a schema. Empty if it may."""
    role, database, may_create_schemas, may_create = connection.execute(
        SCHEMA, {"schema": schema}
    ).one()
    connection.rollback()
    if may_create or (may_create is None and may_create_schemas):
        return ""
    require_printable(schema, role)
    if may_create is None:
        return (
            f'Schema "{schema}" does not exist, and role "{role}" may not create it. As the owner '
            f"of the database, run: CREATE SCHEMA {identifier(schema)} AUTHORIZATION {identifier(role)};"
        )
    return (
        f'Role "{role}" may not create tables in schema "{schema}". (Since Postgres 15, only the '
        f'owner of the database may in "public".) As the owner of database "{one_line(database)}", '
        f"run: {grant_on_schema(schema, role)}"
    )


def problems_with_objects(
    connection: Connection, tables: Sequence[Table], schemas: Sequence[str]
) -> Iterator[str]:
    """Why the role may not alter some of the tables, or create others.

    Args:
        connection: a connection of the role.
        tables: the tables of the project that may exist.
        schemas: the schemas of the project.
    """
    role = str(connection.exec_driver_sql("SELECT current_user").scalar_one())
    names = {"schemas": [schema for schema, _ in tables], "names": [name for _, name in tables]}
    others = connection.execute(OTHERS, names).all()
    tablespaces = connection.scalars(TABLESPACES, {"schemas": list(schemas)}).all()
    connection.rollback()
    if others:
        owners = " and ".join(sorted({one_line(owner) for _, owner in others}))
        objects = one_line(", ".join(name for name, _ in others))
        yield f"{objects}: the owner is {owners}. {give_to(role)}"
    for tablespace in tablespaces:
        yield (
            f'Role "{one_line(role)}" may not create tables in tablespace '
            f'"{one_line(tablespace)}", where they would go. {grant_on_tablespace(tablespace, role)}'
        )


def problem_with_rows(connection: Connection, table: str) -> str:
    """Why the role may not change the rows of a table. Empty if it may, or if there is no table.

    Args:
        connection: a connection of the role.
        table: the table, quoted for SQL.
    """
    role, may_change = connection.execute(ROWS, {"table": table}).one()
    connection.rollback()
    if may_change is not False:
        return ""
    return (
        f'Role "{one_line(role)}" may not change the rows of {one_line(table)}. As its owner, run: '
        f"{grant_on_rows(one_line(table), one_line(role))}"
    )


def problem_with_another_path(connection: Connection, first_schema: str) -> str:
    """Why the application finds other tables than those that migrations change. Empty if it does not.

    Args:
        connection: a connection with the search path of the application.
        first_schema: the first schema on the search path of migrations; empty if it is left to the
            server.
    """
    role, database, its_first = connection.exec_driver_sql(
        "SELECT session_user, current_database(), current_schema()"
    ).one()
    connection.rollback()
    if not first_schema or its_first == first_schema:
        return ""
    found = f"begins with {identifier(one_line(its_first))}" if its_first else "has no schema"
    return (
        f'The search_path of the application\'s role "{one_line(role)}" {found}, and migrations change '
        f"tables in {identifier(one_line(first_schema))}. Set it: ALTER ROLE {identifier(one_line(role))} "
        f"IN DATABASE {identifier(one_line(database))} SET search_path = "
        f"{identifier(one_line(first_schema))};"
    )


def problem_with_path(connection: Connection) -> str:
    """Why a table without a schema cannot be created. Empty if it can."""
    role, schema = connection.exec_driver_sql("SELECT current_user, current_schema()").one()
    connection.rollback()
    return choose_schema(role) if schema is None else ""
