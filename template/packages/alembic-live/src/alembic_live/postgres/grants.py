"""What a role lacks, and what to do: the same words in `db doctor` and in the message of a revision
that fails.
"""

import re
from typing import Any

from alembic_live.sql.quoting import identifier, word

ROLE = "alembic_live_role"  # an engine's execution option with the role of its sessions

# The names in these are those of the server's messages. They are in English unless lc_messages says
# otherwise: the advice is then the general one.
_NAMED = r'"?(?P<name>.+?)"?$'
_TABLESPACE = re.compile(f"permission denied for tablespace {_NAMED}")
_SCHEMA = re.compile(f"permission denied for schema {_NAMED}")
_ROWS = re.compile(f"permission denied for (?:table|relation|view) {_NAMED}")
_DATABASE = re.compile(f"permission denied for database {_NAMED}")
_OWNER = re.compile(rf"must be owner of (?:materialized )?\w+ {_NAMED}")
# The second form is that of Postgres 14.
_EXTENSION = re.compile(f"permission denied to create extension {_NAMED}")

_HIDDEN_ROWS = "row-level security policy for table"


def role_of(engine: Any) -> str:
    """The role of the sessions of an engine."""
    return str(engine.get_execution_options().get(ROLE) or engine.url.username or "")


def grant_on_schema(schema: str, role: str) -> str:
    """What lets a role create tables in a schema."""
    return f"GRANT CREATE, USAGE ON SCHEMA {identifier(schema)} TO {_quoted(role)};"


def grant_on_tablespace(tablespace: str, role: str) -> str:
    """What lets a role create tables in a tablespace."""
    return (
        f"As a superuser, run: GRANT CREATE ON TABLESPACE {identifier(tablespace)} TO "
        f"{_quoted(role)}; Or use another one: ALTER ROLE {_quoted(role)} SET default_tablespace = ''"
    )


def grant_on_rows(table: str, role: str) -> str:
    """What lets a role change the rows of a table, whose name is quoted for SQL."""
    return f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {_quoted(role)};"


def give_to(role: str) -> str:
    """What makes a role the owner of the objects of others."""
    return (
        f"Only the owner of an object may alter it. Change the owner: `uv run db roles` prints SQL "
        f"that does it for all objects. For one table: ALTER TABLE … OWNER TO {_quoted(role)};"
    )


def choose_schema(role: str) -> str:
    """What to do if no schema on the search path exists."""
    return (
        "No schema on the search_path of the role or the database exists. Name the schema of the "
        "tables in [alembic_live] of alembic.ini: default_schema = public. Or correct the path: ALTER "
        f"ROLE {_quoted(role)} RESET search_path;"
    )


def advice_on_privileges(code: str, message: str, role: str) -> str:
    """What to do if a role may not execute a statement. Empty if that is not the problem.

    Args:
        code: the SQLSTATE of the error.
        message: its text, without DETAIL and the like.
        role: the role that migrates.
    """
    if found := _EXTENSION.search(message):
        statement = f"CREATE EXTENSION IF NOT EXISTS {identifier(found['name'])}"
        return (
            f"Only an administrator may create it. Let one run {statement} in this database. "
            "Scratch databases and those of tests are copies of template1, so run it there too: "
            f"psql -d template1 -c {word(statement)}. The revision then needs IF NOT EXISTS."
        )
    if code == "3F000" and "no schema" in message:
        return choose_schema(role)
    if code != "42501":  # insufficient_privilege
        return ""
    if _HIDDEN_ROWS in message:
        return (
            f"A policy would hide rows from {_shown(role)}, and the statement would miss them. Migrate "
            "with a role that has BYPASSRLS. Or let the revision run ALTER TABLE … NO FORCE ROW LEVEL "
            "SECURITY before the statement, and FORCE after it. If the policy shall apply: "
            'op.execute("SET LOCAL row_security = on")'
        )
    if found := _TABLESPACE.search(message):
        return grant_on_tablespace(found["name"], role)
    if found := _SCHEMA.search(message):
        return f"As its owner, run: {grant_on_schema(found['name'], role)}"
    if found := _DATABASE.search(message):
        return f"As its owner, run: GRANT CREATE ON DATABASE {identifier(found['name'])} TO {_quoted(role)};"
    if found := _ROWS.search(message):
        return f"As its owner, run: {grant_on_rows(identifier(found['name']), role)}"
    if _OWNER.search(message):
        return give_to(role)
    return f"A privilege is missing: `uv run db doctor` says what {_shown(role)} needs."


def _quoted(role: str) -> str:
    return identifier(role) if role else "…"


def _shown(role: str) -> str:
    return f'role "{role}"' if role else "the role"
