"""What a message of the server leads to."""

import pytest
from alembic_live.postgres.grants import advice_on_privileges

DENIED = "42501"


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (DENIED, "must be owner of table notes", 'TABLE … OWNER TO "me";'),
        (DENIED, "must be owner of relation notes", "`uv run db roles` prints SQL"),
        (DENIED, "must be owner of materialized view totals", "`uv run db roles` prints SQL"),
        (DENIED, "must be owner of type mood", "`uv run db roles` prints SQL"),
        (DENIED, "permission denied for tablespace fast", 'ON TABLESPACE "fast" TO "me";'),
        (DENIED, "permission denied for schema my own", 'USAGE ON SCHEMA "my own" TO "me";'),
        (DENIED, "permission denied for database shop", 'CREATE ON DATABASE "shop" TO "me";'),
        (DENIED, "permission denied for table t", 'UPDATE, DELETE ON "t" TO "me";'),
        (DENIED, 'query would be affected by row-level security policy for table "t"', "BYPASSRLS"),
        (DENIED, 'permission denied to create extension "x"', 'CREATE EXTENSION IF NOT EXISTS "x"'),
        (DENIED, "Zugriff verweigert", '`uv run db doctor` says what role "me" needs'),
        ("3F000", "no schema has been selected to create in", "default_schema = public"),
    ],
)
def test_it_is_advice_for_the_role(code: str, message: str, words: str) -> None:
    assert words in advice_on_privileges(code, message, "me")
    assert '""' not in advice_on_privileges(code, message, "")


def test_other_errors_are_no_matter_of_privileges() -> None:
    assert advice_on_privileges("3F000", 'schema "sales" does not exist', "me") == ""
    assert advice_on_privileges("42P01", 'relation "notes" does not exist', "me") == ""
