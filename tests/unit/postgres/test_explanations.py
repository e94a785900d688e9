"""Errors of Postgres as sentences, and the names of scratch databases."""

import pytest
from alembic_live.postgres.explanations import explain_refusal
from alembic_live.postgres.scratch_names import is_scratch
from sqlalchemy.exc import DBAPIError


@pytest.mark.parametrize(
    ("reason", "advises"),
    [
        ('extension "pg_trgm" is not available', True),
        ('could not open extension control file "/x/pg_trgm.control": No such file', True),
        ('extension "pg_trgm" already exists', False),
    ],
)
def test_a_missing_extension_leads_to_other_programs(reason: str, advises: bool) -> None:
    error = DBAPIError("CREATE EXTENSION pg_trgm", None, Exception(reason))
    assert ("no contrib modules. Set PG_BIN" in explain_refusal(error)) is advises


def test_an_extension_of_an_administrator_leads_to_template1() -> None:
    reason = 'permission denied to create extension "uuid-ossp"'
    said = explain_refusal(DBAPIError("CREATE EXTENSION", None, Exception(reason)))
    assert """psql -d template1 -c 'CREATE EXTENSION IF NOT EXISTS "uuid-ossp"'.""" in said
    assert "PG_BIN" not in said


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop_scratch_0123abcd_89abcdef_4711_0", True),
        ("a_scratch_b_scratch_0123abcd_89abcdef_4711_12", True),
        ("shop_scratch_of_mine", False),
        ("0123abcd_89abcdef_4711_0", False),
        ("shop", False),
    ],
)
def test_a_scratch_database_is_known_by_its_name(name: str, expected: bool) -> None:
    assert is_scratch(name) is expected
