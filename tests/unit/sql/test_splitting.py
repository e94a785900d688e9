"""SQL is split into statements where Postgres's parser splits it: each SQL of this repository, and random scripts."""

import ast
from collections.abc import Iterator
from functools import cache

import postgast
import pytest
from alembic_live.sql import lexer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from project import ROOT

FOLDERS = ("benchmarks", "template", "tests")

# What hides a semicolon, or looks as if it did.
STATEMENTS = (
    *("SELECT 1", "SELECT ';'", "SELECT 'a'';--'", r"SELECT '\'", r"SELECT E'\';'", "SELECT U&';'"),
    *("SELECT $$;$$", "SELECT $a$;$$;$a$", 'SELECT ";"', 'SELECT "a"";"', "SELECT a$b$c"),
    *("SELECT 1 /* ; /* ; */ */", "SELECT 1 -- ;\n+ 2", "SELECT 1 -- ;\r+ 2", "SELECT 'a'\n';'"),
    *("SELECT begin atomic FROM t", "SELECT 1 AS begin", "SELECT CASE WHEN true THEN 1 END"),
    *("COMMIT", "END", "BEGIN", "DO $$ BEGIN NULL; END $$", "SELECT é FROM ü"),
    "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC END",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
    "CREATE OR REPLACE FUNCTION f(begin atomic) RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2'",
    "CREATE PROCEDURE f() BEGIN ATOMIC SELECT 1 AS end; SELECT 1 end; SELECT t.end FROM t; END",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 ELSE 2 END case; END",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE 1 WHEN 1 THEN CASE 2 WHEN 3 THEN 4"
    " END END; END",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN; END $f$",
)  # fmt: skip
BETWEEN = (";", " ; ", ";\n", ";;", "; -- ;\n", "/* ; */;", ";/* /* ; */ */\n;", "\n;\r")
scripts = st.lists(
    st.tuples(st.sampled_from(STATEMENTS), st.sampled_from(BETWEEN)), min_size=1, max_size=6
).map(lambda parts: "".join(part for pair in parts for part in pair))


def of_postgres(sql: str) -> list[str] | None:
    """The statements that its parser finds; None if it is not SQL."""
    try:
        return [found for part in postgast.split(sql) if (found := without_blanks(part))]
    except (postgast.PgQueryError, UnicodeEncodeError):
        return None


def ours(sql: str) -> list[str]:
    parts = ["".join(token.text for token in each) for each in lexer.statements(sql)]
    return [found for part in parts if (found := without_blanks(part))]


def without_blanks(sql: str) -> str:
    return " ".join(token.text for token in lexer.tokens(sql) if not token.is_blank).strip("; ")


@cache
def texts_of_the_repository() -> list[str]:
    """Each .sql file and each string in Python that can be SQL."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")]
    found = {path.read_text("utf-8") for path in files if path.suffix == ".sql"}
    for path in files:
        if path.suffix == ".py" and ".venv" not in path.parts:
            found |= set(strings_in(ast.parse(path.read_text("utf-8"))))
    return sorted(found)


def strings_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if " " in text and "\0" not in text:
                yield text


def test_the_sql_of_this_repository() -> None:
    found = {text: parts for text in texts_of_the_repository() if (parts := of_postgres(text))}
    assert len(found) > 1000
    assert sum(len(parts) > 1 for parts in found.values()) > 100
    assert {text: ours(text) for text in found} == found


@pytest.mark.parametrize("sql", STATEMENTS)
def test_one_statement(sql: str) -> None:
    assert of_postgres(sql) == ours(sql)
    assert len(ours(sql)) == 1


@given(sql=scripts)
@settings(max_examples=300, deadline=None)
@example(sql=";".join(STATEMENTS))
def test_random_scripts(sql: str) -> None:
    assert ours(sql) == of_postgres(sql)
