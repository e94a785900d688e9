"""What statements do to their transaction, and where they end."""

import pytest
from alembic_live.sql.statement_kinds import (
    ending_statement,
    finalizing_statement,
    is_concurrent,
    may_commit_midway,
    separate_statements,
    sets_lock_timeout,
)


@pytest.mark.parametrize(
    ("sql", "statement"),
    [
        ("COMMIT", "COMMIT"),
        ("/* now */ -- really\n commit work;", "COMMIT WORK"),
        ("INSERT INTO t VALUES (1); end; SELECT 1", "END"),
        ("rollback and chain", "ROLLBACK AND CHAIN"),
        ("abort", "ABORT"),
        ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION ''"),
        ("ROLLBACK TO SAVEPOINT a", None),
        ("ROLLBACK WORK TO a", None),
        ("BEGIN", None),
        ("SELECT 'a;\n COMMIT'", None),
        ("PREPARE x AS SELECT 1", None),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;\nEND", None),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT", "COMMIT"),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; END; END", "END"),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 end; SELECT 2; END", None),
        ("SELECT begin atomic FROM t; COMMIT", "COMMIT"),
        ("-- a comment ends here\rCOMMIT", "COMMIT"),
        ("/* one /* in */ another; */COMMIT", "COMMIT"),
        ("SELECT E'\\'; COMMIT; --'", None),
        ("DO $$ BEGIN\nCOMMIT; END $$", None),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; COMMIT)", None),
        ("COMMIT PREPARED 'x'", None),
        ("ROLLBACK PREPARED 'x'", None),
    ],
)
def test_what_ends_a_transaction(sql: str, statement: str | None) -> None:
    assert ending_statement(sql) == statement


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", True),
        ("reindex (concurrently) table t", True),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", True),
        ("SELECT 'concurrently'", False),
        ("CREATE INDEX i ON t (a) -- concurrently", False),
        ('CREATE INDEX "i CONCURRENTLY" ON t ("CONCURRENTLY")', False),
        ("SELECT concurrently(1)", False),
        ("REINDEX (VERBOSE, CONCURRENTLY OFF) TABLE t", False),
        ("REINDEX (CONCURRENTLY, VERBOSE) TABLE t", True),
        ("DROP INDEX i; REFRESH MATERIALIZED VIEW CONCURRENTLY v", True),
    ],
)
def test_what_works_concurrently(sql: str, expected: bool) -> None:
    assert is_concurrent(sql) is expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CALL f()", True),
        ("do $$ begin end $$", True),
        ("SELECT 'x;\nCALL f()'", False),
        ("DOX", False),
        ("-- a comment\rCALL f()", True),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", False),
    ],
)
def test_what_may_commit_midway(sql: str, expected: bool) -> None:
    assert may_commit_midway(sql) is expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;", ["SELECT 1;"]),
        ("SELECT 1; -- and no more", ["SELECT 1"]),
        ("CREATE TABLE a (); CREATE TABLE b ();", ["CREATE TABLE a ()", "CREATE TABLE b ()"]),
        ("SELECT ';x'; SELECT $$;x$$", ["SELECT ';x'", "SELECT $$;x$$"]),
        ("DO $$ BEGIN NULL; END $$; SELECT 2", ["DO $$ BEGIN NULL; END $$", "SELECT 2"]),
        # Where a string ends depends on a setting of the server.
        (r"SELECT '\'; SELECT 2", [r"SELECT '\'; SELECT 2"]),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3",
            ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;", "SELECT 3"],
        ),
        ("; ;", ["; ;"]),
    ],
)
def test_a_string_is_separated_into_its_statements(sql: str, expected: list[str]) -> None:
    found = separate_statements(sql)
    assert [each.rstrip("; ") for each in found] == [each.rstrip("; ") for each in expected]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SET lock_timeout = '1s'", True),
        ("/* longer */ set local lock_timeout to default", True),
        ("CREATE TABLE t (); SET SESSION lock_timeout = 0", True),
        ("ALTER ROLE x SET lock_timeout = 0", False),
        ("SELECT 'SET lock_timeout = 0'", False),
    ],
)
def test_what_sets_the_limit_on_waits(sql: str, expected: bool) -> None:
    assert sets_lock_timeout(sql) is expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "alter table t detach /* x */ partition p concurrently -- CONCURRENTLY",
            "alter table t detach /* x */ partition p FINALIZE -- CONCURRENTLY",
        ),
        ('ALTER TABLE t DETACH PARTITION "CONCURRENTLY"', None),
        ("DROP INDEX CONCURRENTLY detach_partition", None),
    ],
)
def test_what_completes_a_detached_partition(sql: str, expected: str | None) -> None:
    assert finalizing_statement(sql) == expected
