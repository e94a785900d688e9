"""Statements: their words and their names."""

import pytest
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
