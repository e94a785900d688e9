"""SQL for two roles: one that owns the tables and migrates, one that reads and writes rows."""

from alembic.util import CommandError

from ...config import settings
from ...database.schema import SCHEMA
from ..quoting import identifier, literal

VERSION_TABLE = "alembic_version"


def roles_sql() -> str:
    """What a superuser runs once, in the database, for the roles of the settings. It can be run
    again, and takes over the tables that are there. Passwords are not in it.

    Raises:
        CommandError: the settings name one role for both.
        ConfigurationError: DB_* settings are missing, or a name has a control character.
    """
    database, application = settings.address.name, settings.address.user
    owner = settings.DB_MIGRATION_USER or application
    if owner == application:
        raise CommandError(
            "DB_USER and DB_MIGRATION_USER are the same role. Set DB_MIGRATION_USER to the name "
            "of the role that owns the tables and migrates, DB_USER to that of the application's."
        )
    names = {
        "database": identifier(database),
        "schema": identifier(SCHEMA or "public"),
        "schema_text": literal(SCHEMA or "public"),
        "owner": identifier(owner),
        "owner_text": literal(owner),
        "application": identifier(application),
        "application_text": literal(application),
        "version_table": VERSION_TABLE,
    }
    tag = "$do$"
    while any(tag in name for name in names.values()):
        tag = f"${tag[1:-1]}o$"
    return TEMPLATE.format(**names, tag=tag)


TEMPLATE = """\
-- Run as a superuser, or as a role that may make roles and owns the database, connected to database
-- {database}. It may be run again, amid traffic: what does not get its lock in time fails, and
-- nothing is changed.
BEGIN;
SET LOCAL lock_timeout = '3s';

DO {tag} BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {owner_text}) THEN
        CREATE ROLE {owner} LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {application_text}) THEN
        CREATE ROLE {application} LOGIN;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = {application_text} AND rolsuper) THEN
        RAISE EXCEPTION 'role % is a superuser, whom nothing is forbidden', {application_text}
            USING HINT = 'Choose another one for DB_USER, or ALTER ROLE … NOSUPERUSER.';
    END IF;
    IF pg_has_role({application_text}, {owner_text}, 'MEMBER') THEN
        RAISE EXCEPTION 'role % is a member of %', {application_text}, {owner_text}
            USING HINT = 'REVOKE that, or choose another role for DB_USER.';
    END IF;
    -- To give things to another role one has to be a member of it.
    IF NOT pg_has_role(current_user, {owner_text}, 'MEMBER') THEN
        GRANT {owner} TO CURRENT_USER;
    END IF;
    IF EXISTS (SELECT FROM pg_database WHERE datname = current_database()
                                         AND datdba = quote_ident({application_text})::regrole) THEN
        ALTER DATABASE {database} OWNER TO {owner};
    END IF;
END {tag};

-- Who may connect, and who may create things.
CREATE SCHEMA IF NOT EXISTS {schema};
DO {tag} BEGIN
    IF EXISTS (SELECT FROM pg_namespace WHERE nspname = {schema_text}
                                          AND nspowner = quote_ident({application_text})::regrole) THEN
        ALTER SCHEMA {schema} OWNER TO {owner};
    END IF;
END {tag};
REVOKE ALL ON DATABASE {database} FROM PUBLIC, {application};
GRANT CONNECT ON DATABASE {database} TO {application};
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {owner};
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {application};
GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner};
GRANT USAGE ON SCHEMA {schema} TO {application};

-- The version table is here before the first migration, so that the application cannot write it.
CREATE TABLE IF NOT EXISTS {schema}.{version_table} (
    version_num varchar(32) NOT NULL,
    CONSTRAINT {version_table}_pkc PRIMARY KEY (version_num)
);

-- What is there already belongs to the owner from now on; what belongs to an extension stays its.
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

-- The application reads and writes rows, in the tables of today and in those of later revisions.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {application};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {application};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {application};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
    GRANT USAGE, SELECT ON SEQUENCES TO {application};
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {schema}.{version_table} FROM {application};

COMMIT;

-- Roles that are new have no password yet. In psql:
--   \\password {owner}
--   \\password {application}
"""
