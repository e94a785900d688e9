"""SQL is read as the server reads it."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from alembic_live.sql import lexer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server import Database


@pytest.fixture(scope="module")
def connection(server: Database) -> Iterator[psycopg.Connection[Any]]:
    with server.connect() as connection:
        yield connection


characters = st.text(st.sampled_from("ab'\\$-/*é\n "), max_size=6)
breaks = st.sampled_from(["\n", " \n\t", "\r", " -- it's\n", "\n -- $$\n "])
literals = st.one_of(
    characters.map(lambda text: "'" + text.replace("'", "''") + "'"),
    characters.map(lambda text: "N'" + text.replace("'", "''") + "'"),
    characters.map(lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    characters.filter(lambda text: "$" not in text).map(lambda text: f"$x${text}$x$"),
    st.tuples(characters, breaks, characters).map(
        lambda parts: "E'{}'{}'{}'".format(
            parts[0].replace("\\", "\\\\").replace("'", "\\'"), parts[1],
            parts[2].replace("\\", "\\\\").replace("'", "\\'"),
        )
    ),
    st.tuples(characters, breaks, characters).map(
        lambda parts: "'{}'{}'{}'".format(
            parts[0].replace("'", "''"), parts[1], parts[2].replace("'", "''")
        )
    ),
)  # fmt: skip
blanks = st.sampled_from(["", " ", "\n", " /* ' /* $$ */ \" */", " -- '\n"])


@given(parts=st.lists(st.tuples(blanks, literals, blanks), min_size=1, max_size=5))
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_server_finds_as_many_strings(
    connection: psycopg.Connection[Any], parts: list[tuple[str, str, str]]
) -> None:
    sql = "SELECT " + ",".join("".join(part) for part in parts)
    cursor = connection.execute(sql.encode())
    ours = [text for kind, text in lexer.tokens(sql) if kind == "string"]
    assert ours == [literal for _, literal, _ in parts]
    assert cursor.description
    assert len(ours) == len(cursor.description)
