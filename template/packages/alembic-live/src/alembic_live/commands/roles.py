"""`db roles`: SQL for two roles. The owner has the tables and migrates, the application reads and
writes rows.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable

from alembic.util import CommandError
from sqlalchemy import Connection, text

from alembic_live.models import load_models
from alembic_live.postgres.schemas import schema_name
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_of, configuration_offline
from alembic_live.sql.quoting import identifier, literal, require_printable


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--application",
        metavar="ROLE",
        default="",
        help="The role of the application; defaults to the one in the settings.",
    )
    parser.add_argument(
        "--owner",
        metavar="ROLE",
        default="",
        help="The role that migrates; defaults to the one in the settings.",
    )


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    # Not escaped for a terminal: psql runs it.
    print(roles_sql(project, application=arguments.application, owner=arguments.owner))
    return 0


def roles_sql(project: Project, *, application: str = "", owner: str = "") -> str:
    """SQL that a superuser runs once, in the project's database. It creates the two roles and gives
    existing tables to the owner. It contains no passwords, and can be run again.

    Args:
        project: the project.
        application: the role of the application. Default: that of the settings.
        owner: the role that migrates. Default: that of the project's address.

    Raises:
        CommandError: both roles are the same, or the models cannot be loaded.
        ConfigurationError: the address is unknown, or a name has a control character.
    """
    database = project.migration_address.name
    application = application or project.application_address.user
    login = "" if owner or not project.set_role else project.migration_user or application
    owner = owner or project.set_role or project.migration_user or application
    if owner == application:
        raise CommandError(
            "DB_USER and DB_MIGRATION_USER are the same role. Set DB_MIGRATION_USER to the name "
            "of the role that owns the tables and migrates, and DB_USER to the application's role."
            if project.settings
            else f'This project has only one role, "{owner}". Name the application\'s role: uv run db '
            f'roles --application NAME. If "{owner}" is the application\'s role, name the owner: --owner '
            "NAME."
        )
    if application == login:
        raise CommandError(
            f'DB_USER is "{application}", which migrates as "{owner}" (DB_MIGRATION_ROLE), so the '
            "application can do the same. Set DB_MIGRATION_USER to another role that logs in to migrate."
        )
    load_models(project)
    table = configuration_offline(project).version_table
    schemas = schemas_of(project)
    require_printable(database, *schemas, owner, application, login)
    names = {
        "login": identifier(login),
        "login_text": literal(login),
        "may_login": "NOLOGIN" if login else "LOGIN",
        "passwords": "\n".join(
            f"--   \\password {identifier(n)}" for n in (login or owner, application)
        ),
        "database": identifier(database),
        "owner": identifier(owner),
        "owner_text": literal(owner),
        "application": identifier(application),
        "application_text": literal(application),
    }
    home = schema_name(table.schema, project.default_schema)
    tag = "$do$"
    while any(tag in name for name in (*names.values(), *schemas, home)):
        tag = f"${tag[1:-1]}o$"
    names |= {
        "tag": tag,
        "version_table": f"{identifier(home)}.{identifier(table.name)}",
        "version_key": identifier(f"{table.name}_pkc"),
    }

    def for_each(names_of_schemas: Iterable[str], template: str) -> str:
        return "\n".join(
            template.format(**names, schema=identifier(schema), schema_text=literal(schema))
            for schema in dict.fromkeys(names_of_schemas)
        )

    return "\n".join(
        [
            ROLES.format(**names),
            for_each([*schemas, home], CREATION),
            *([MEMBER.format(**names)] if login else []),
            VERSIONS.format(**names),
            for_each(schemas, OWNERSHIP),
            for_each(schemas, RIGHTS),
            END.format(**names),
        ]
    )


def schemas_of(project: Project) -> list[str]:
    """The schemas of the project, each once."""
    default = project.default_schema
    return list(dict.fromkeys(schema_name(schema, default) for schema in project.schemas))


def problem_with_application_role(
    project: Project, connection: Connection, owner: str
) -> str | None:
    """What the application's role may do and should not, or should and may not, with the remedy;
    None if its privileges are right.

    Args:
        connection: a connection of the application.
        owner: the role that migrates.
    """
    version_table = configuration_of(project, connection).version_table.name
    for schema in schemas_of(project):
        if problem := _problem_in_schema(connection, schema, owner, version_table):
            return problem
    return None


def _problem_in_schema(
    connection: Connection, schema: str, owner: str, version_table: str
) -> str | None:
    values = {"schema": schema, "owner": owner, "version": version_table}
    row = connection.execute(PRIVILEGES, values).one()
    connection.rollback()
    too_much = [
        words
        for is_so, words in (
            (row.is_superuser, "is a superuser"),
            (row.is_member, f'is a member of "{owner}", the role that migrates'),
            (row.owns_database, "owns the database"),
            (row.may_create, "may create tables"),
            (row.owns_tables, "owns tables"),
            (row.writes_version, "may write to the version table"),
        )
        if is_so
    ]
    remedy = "`uv run db roles` prints SQL that corrects this."
    if too_much:
        return (
            f'The application\'s role "{row.role}" {" and ".join(too_much)}, so it can change the '
            f"schema. {remedy}"
        )
    unreadable = row.unreadable or "" if row.may_use else f'schema "{schema}"'
    too_little = [
        f"may not {verb} {one_line(names)}"
        for verb, names in (
            ("read", unreadable),
            ("write to", row.unwritable),
            ("use the sequences", row.unusable),
        )
        if names
    ]
    if too_little:
        return f'The application\'s role "{row.role}" {" and ".join(too_little)}. {remedy}'
    return None


PRIVILEGES = text(
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
            AND NOT has_table_privilege(oid, 'SELECT')) AS unreadable,
           -- A table without DELETE, such as a log, may be so on purpose.
           (SELECT string_agg(relname, ', ' ORDER BY relname) FROM tables WHERE relname <> :version
            AND NOT has_table_privilege(oid, 'INSERT, UPDATE, DELETE')
            AND NOT has_any_column_privilege(oid, 'INSERT, UPDATE')) AS unwritable,
           -- A sequence of an identity needs no privilege.
           (SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c
            WHERE c.relnamespace = n.oid AND
              CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') END
              AND EXISTS (SELECT FROM pg_depend d WHERE d.refobjid = c.oid
                          AND d.classid = 'pg_attrdef'::regclass)) AS unusable
    FROM pg_roles u LEFT JOIN pg_namespace n ON n.nspname = :schema
    WHERE u.rolname = current_user
    """
)

ROLES = """\
-- Run this in database {database}, as a superuser or as a role with CREATEROLE that owns the
-- database, and that created the roles that exist. You can run it again, also while the application runs: if it cannot acquire a lock in
-- time, it fails and changes nothing.
BEGIN;
SET LOCAL lock_timeout = '3s';

DO {tag}
DECLARE
    name text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {owner_text}) THEN
        CREATE ROLE {owner} {may_login};
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {application_text}) THEN
        CREATE ROLE {application} LOGIN;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = {application_text} AND rolsuper) THEN
        RAISE EXCEPTION 'role % is a superuser, so no privilege restricts it', {application_text}
            USING HINT = 'Choose another role for DB_USER, or run ALTER ROLE … NOSUPERUSER.';
    END IF;
    IF pg_has_role({application_text}, {owner_text}, 'MEMBER') THEN
        RAISE EXCEPTION 'role % is a member of %', {application_text}, {owner_text}
            USING HINT = 'REVOKE the membership, or choose another role for DB_USER.';
    END IF;
    -- Changing the owner of an object requires the rights of the old and of the new owner.
    -- Since Postgres 16, who creates a role may grant it, and has its rights after that.
    FOR name IN
        SELECT {owner_text} UNION
        SELECT {application_text} FROM pg_shdepend
        WHERE deptype = 'o' AND refclassid = 'pg_authid'::regclass
          AND refobjid = quote_ident({application_text})::regrole
          AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    LOOP
        IF current_setting('server_version_num')::int < 160000 THEN
            IF NOT pg_has_role(current_user, name, 'MEMBER') THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', name);
            END IF;
        ELSIF NOT (pg_has_role(current_user, name, 'USAGE')
                   AND pg_has_role(current_user, name, 'SET')) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT TRUE, SET TRUE', name);
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM pg_database WHERE datname = current_database()
                                         AND datdba = quote_ident({application_text})::regrole) THEN
        ALTER DATABASE {database} OWNER TO {owner};
    END IF;
END {tag};

-- Both roles may connect. Only the owner may create objects.
REVOKE ALL ON DATABASE {database} FROM PUBLIC, {application};
GRANT CONNECT ON DATABASE {database} TO {application};
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {owner};
"""

CREATION = """\
CREATE SCHEMA IF NOT EXISTS {schema};
DO {tag} BEGIN
    IF EXISTS (SELECT FROM pg_namespace WHERE nspname = {schema_text}
                                          AND nspowner = quote_ident({application_text})::regrole) THEN
        ALTER SCHEMA {schema} OWNER TO {owner};
    END IF;
END {tag};
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {application};
GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner};
GRANT USAGE ON SCHEMA {schema} TO {application};
"""

MEMBER = """\
-- This role logs in and takes on the role of the owner.
DO {tag} BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {login_text}) THEN
        CREATE ROLE {login} LOGIN;
    END IF;
END {tag};
GRANT {owner} TO {login};
GRANT CONNECT ON DATABASE {database} TO {login};
"""

VERSIONS = """\
-- Create the version table before the first migration, so that the application cannot write to it.
CREATE TABLE IF NOT EXISTS {version_table} (
    version_num varchar(32) NOT NULL,
    CONSTRAINT {version_key} PRIMARY KEY (version_num)
);
"""

OWNERSHIP = """\
-- Give the existing objects to the owner, except those that belong to an extension.
DO {tag}
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('ALTER %s %s OWNER TO %I',
                      CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                                     WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE'
                                     WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END,
                      c.oid::regclass, {owner_text})
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = {schema_text} AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
          AND c.relowner <> quote_ident({owner_text})::regrole
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND (
              d.deptype = 'e' OR (d.deptype IN ('a', 'i') AND c.relkind = 'S')))
        UNION ALL
        SELECT format('ALTER TYPE %s OWNER TO %I', t.oid::regtype, {owner_text})
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE n.nspname = {schema_text} AND t.typtype IN ('e', 'd', 'r')
          AND t.typowner <> quote_ident({owner_text})::regrole
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
        UNION ALL
        SELECT format('ALTER ROUTINE %s OWNER TO %I', p.oid::regprocedure, {owner_text})
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = {schema_text} AND p.proowner <> quote_ident({owner_text})::regrole
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype IN ('e', 'i'))
    LOOP
        EXECUTE statement;
    END LOOP;
END {tag};
"""

RIGHTS = """\
-- The application reads and writes rows, in existing tables and in those of later revisions.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {application};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {application};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {application};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
    GRANT USAGE, SELECT ON SEQUENCES TO {application};
"""

END = """\
ALTER TABLE {version_table} OWNER TO {owner};
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {version_table} FROM {application};

COMMIT;

-- New roles have no password yet. In psql:
{passwords}
"""
