"""Statements: their words, their names, and what they do to their transaction."""

import pytest
from alembic_live.sql.statement_kinds import (
    ending_statement,
    is_concurrent,
    may_commit_midway,
    separate_statements,
)
from alembic_live.sql.statements import (
    Name,
    matches,
    names_of,
    split_at_commas,
    statements_in,
)


def test_a_statement_in_one_line() -> None:
    [one, other] = statements_in(
        "create table \"My T\" (a text default 'it''s');\n-- x\nDROP x /* y */;"
    )
    assert one.text == "CREATE TABLE \"My T\" ( A TEXT DEFAULT '' )"
    assert one.strings() == ["it's"]
    assert list(one.names()) == ["create", "table", "My T", "a", "text", "default"]
    assert one.sql == "create table \"My T\" (a text default 'it''s')"
    assert other.text == "DROP X"
    assert list(statements_in(" ; -- nothing\n;")) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("things", Name(None, "things")),
        ("THINGS", Name(None, "things")),
        ('other . "My ""T"""', Name("other", 'My "T"')),
        ("base.other.things", Name("other", "things")),
    ],
)
def test_a_name(text: str, name: Name) -> None:
    assert Name.of(text) == name


def test_the_names_of_a_list() -> None:
    assert names_of('a , b . "c"') == [Name(None, "a"), Name("b", "c")]
    assert str(Name("b", "c")) == "b.c"


def test_commas_in_parentheses_do_not_part() -> None:
    assert split_at_commas("a ( b , c ) , d [ 1 , 2 ] , e") == ["a ( b , c )", "d [ 1 , 2 ]", "e"]


@pytest.mark.parametrize(
    ("sql", "synopsis", "found"),
    [
        ("drop index if exists x.y cascade", "DROP INDEX [IF EXISTS] <index>", "X . Y"),
        ("drop index y", "DROP INDEX [IF EXISTS] <index>", "Y"),
        ("drop table a, b", "DROP {TABLE|VIEW} <index>", "A"),
        ("truncate a, b", "TRUNCATE <indexes>", "A , B"),
        ("create unique index on t", "CREATE ... INDEX [_] ON <index>", "T"),
        ("create unique index i on t", "CREATE ... INDEX [_] ON <index>", "T"),
        ("drop view v", "DROP TABLE <index>", None),
        ("drop tables", "DROP TABLE <index>", None),
    ],
)
def test_a_synopsis(sql: str, synopsis: str, found: str | None) -> None:
    [statement] = statements_in(sql)
    match = matches(statement.text, synopsis)
    group = "indexes" if "<indexes>" in synopsis else "index"
    assert (match and match[group]) == found


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
        # Where a string ends depends on a setting of the server; the body has semicolons of its own.
        (r"SELECT '\'; SELECT 2", [r"SELECT '\'; SELECT 2"]),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
            ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"],
        ),
        ("; ;", ["; ;"]),
    ],
)
def test_a_string_is_separated_into_its_statements(sql: str, expected: list[str]) -> None:
    found = separate_statements(sql)
    assert [each.rstrip("; ") for each in found] == [each.rstrip("; ") for each in expected]
