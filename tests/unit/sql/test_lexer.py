"""SQL is read as Postgres reads it: its own scanner finds the same strings, names and comments."""

from collections.abc import Iterator

import postgast
import pytest
from alembic_live.sql import lexer
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

# https://github.com/pganalyze/libpg_query/blob/17-latest/protobuf/pg_query.proto
NAMES, STRINGS, COMMENTS = (258, 259), (261, 262, 263, 264), (275, 276)

PIECES = [
    *(
        "'",
        "''",
        '"',
        '""',
        "\\",
        "\\'",
        "$",
        "$$",
        "$a$",
        "$b1$",
        "$1",
        "--",
        "/*",
        "*/",
        "/",
        "*",
    ),
    *(
        "E",
        "e'",
        "U&",
        "u&'",
        'U&"',
        "N'",
        "b'",
        "X'",
        "a",
        "E'a",
        "é",
        "_",
        "1",
        "1.",
        ".5",
        "1e5",
    ),
    *(
        " ",
        "\t",
        "\n",
        "\r",
        "\f",
        ";",
        ",",
        "(",
        ")",
        "[",
        "::",
        ":=",
        "+",
        "-",
        "=",
        "<",
        "||",
        "@",
    ),
    *(
        "-- x\n",
        "/* /* */ */",
        "'a'\n'b'",
        "E'a'\n'\\''",
        "'a' -- b\n 'c'",
        " UESCAPE '!'",
        "SELECT ",
    ),
]
scripts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)

many = settings(
    max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)


@given(sql=scripts)
@many
@example(sql="SELECT E'a'\n'b\\'c', d")
@example(sql="SELECT 1E'a'")
@example(sql="a$b$c$b$")
@example(sql="1$b$c$b$, $1$$2$$")
@example(sql="SELECT é'\\', 'x'\r'y'")
@example(sql="/*/ */ /**/ /***/ /*/**/*/ //* */ *//* */")
@example(sql="a\u00a0'b'\u2003'c'")
def test_postgres_finds_the_same_strings_names_and_comments(sql: str) -> None:
    try:
        found = postgast.scan(sql)
    except postgast.PgQueryError:
        assume(False)
    # Where a comment parts a continued string, its scanner finds two; the server itself reads one.
    assume(not any(kind == "string" and "--" in text for kind, text in lexer.tokens(sql)))
    theirs = [
        (token.start, token.end)
        for token in found.tokens
        if token.token in (*STRINGS, *COMMENTS)
        or (token.token in NAMES and sql.encode()[token.end - 1 : token.end] == b'"')
    ]
    assert list(spans(sql)) == theirs


@given(sql=scripts)
@many
def test_no_character_is_lost(sql: str) -> None:
    for backslashes in (False, True):
        tokens = list(lexer.tokens(sql, backslashes=backslashes))
        assert "".join(token.text for token in tokens) == sql
    joined = ["".join(token.text for token in each) for each in lexer.statements(sql)]
    assert "".join(joined) == sql


@pytest.mark.parametrize(
    "sql",
    ["'a", "E'a\\'", '"a', "$$a", "$a$b$c$", "/* /* */", "'a'\n'b", "U&'a", "'a''"],
)
def test_what_has_no_end_is_the_last_token(sql: str) -> None:
    with pytest.raises(postgast.PgQueryError, match="unterminated"):
        postgast.scan(f"SELECT 1; {sql}")
    *_, last = lexer.tokens(f"SELECT 1; {sql}")
    assert last == ("unfinished", sql)


@pytest.mark.parametrize(
    ("sql", "is_ambiguous"),
    [
        (r"SELECT 'a\' , 'b'", True),
        (r"SELECT N'a\'", True),
        (r"SELECT E'a\'b'", False),
        (r"SELECT 'a\\b\n'", False),
        (r"SELECT $$a\'$$", False),
        (r"SELECT B'1\'", False),
    ],
)
def test_where_a_string_ends_may_be_for_the_server_to_say(sql: str, is_ambiguous: bool) -> None:
    assert lexer.is_ambiguous(sql) is is_ambiguous


def test_statements_end_where_postgres_ends_them() -> None:
    script = """
        CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT ';');
        CREATE FUNCTION f() RETURNS int BEGIN ATOMIC
            SELECT CASE WHEN true THEN 1 END; SELECT 2;
        END;
        DO $$ BEGIN; END $$;
        -- ;
        SELECT 1 /* ; */"""
    ours = ["".join(token.text for token in each) for each in lexer.statements(script)]
    assert len(ours) == len(postgast.split(script)) == 4


def spans(sql: str) -> Iterator[tuple[int, int]]:
    """Where the strings, names and comments are, in bytes."""
    position = 0
    for kind, text in lexer.tokens(sql):
        end = position + len(text.encode())
        if kind in ("string", "name", "comment"):
            # Postgres has two tokens for N'…'.
            yield position + (text[:2] in ("N'", "n'")), end
        position = end


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            'CREATE INDEX "i (a, b)" ON t USING btree (a, lower(b) DESC) WHERE (a IN (1, 2))',
            ('CREATE INDEX "i (a, b)" ON t USING btree ', ["a", " lower(b) DESC"], " WHERE (a IN (1, 2))"),
        ),
        ("(f(g(h(i(j, k)))), ') WHERE ,', ARRAY[1, 2])", ("", ["f(g(h(i(j, k))))", " ') WHERE ,'", " ARRAY[1, 2]"], "")),
        ("CREATE TABLE t (\n    a int\n);", ("CREATE TABLE t ", ["\n    a int\n"], ";")),
        ("CREATE TABLE t", ("CREATE TABLE t", [""], "")),
    ],
)  # fmt: skip
def test_a_list_is_split_at_its_commas(sql: str, expected: tuple[str, list[str], str]) -> None:
    assert lexer.split_list(sql) == expected
