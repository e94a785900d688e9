"""No secret is in what is shown of SQL, however it is written."""

import re
from itertools import accumulate

import postgast
import pytest
from alembic_live.sql.lexer import tokens
from alembic_live.sql.redaction import redacted, redacted_message, source_may_hold_a_secret
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from secret_spellings import BODIES, SECRET, STATEMENTS, Literal, bodies, statements

many = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("sql", STATEMENTS)
def test_the_statements_are_ones_that_postgres_runs(sql: str) -> None:
    statement = sql.replace("@", f"'{SECRET}'")
    postgast.parse(statement)
    for body in BODIES:
        postgast.parse(body.replace("@", statement))


@given(written=statements())
@many
def test_a_statement_is_shown_without_its_secret(written: tuple[str, Literal]) -> None:
    sql, literal = written
    shown = redacted(sql)
    assert SECRET not in shown
    assert redacted(shown) == shown
    # Else it may be read in two ways, and nothing is shown.
    if "\\" not in sql and not re.search(r"--|/\*", literal.sql):
        assert re.split(r"\W", sql)[0] in shown
        assert ("'kept'" in sql) == ("'kept'" in shown)


@given(sql=bodies())
@many
def test_nor_is_one_inside_a_function(sql: str) -> None:
    assert SECRET not in redacted(sql)


NAMED = re.compile(
    r"passw|token|secret|api_key|pgp_|\b(?:connection|options|set_config|program|alter\s+system)\b"
    r"|\bdblink",
    re.I,
)


@given(written=statements(), data=st.data())
@many
def test_what_cannot_be_read_is_not_shown(
    written: tuple[str, Literal],
    data: st.DataObject,
) -> None:
    sql, _ = written
    place = data.draw(st.integers(0, len(sql) - 1))
    for broken in (sql[:place], sql[:place] + sql[place + 1 :]):
        if NAMED.search(broken):
            assert SECRET not in redacted(broken)
            # The server quotes from where a word or a string begins, and no comment.
            starts = set(accumulate(len(token.text) for token in tokens(broken)))
            if place in starts and sql[place] not in "\n\r*/":
                said = f'syntax error at or near "{broken[place:]}"'
                assert SECRET not in redacted_message(said, broken)


@given(written=statements())
@many
def test_no_message_quotes_it(written: tuple[str, Literal]) -> None:
    sql, literal = written
    quoted = (
        [literal.sql, literal.sql[1:]] if literal.value is None else [literal.sql, literal.value]
    )
    for text in (*quoted, *quoted[-1].split()):
        message = f'invalid input syntax for type integer: "{text}"'
        assert SECRET not in redacted_message(message, sql)
        assert SECRET not in redacted_message(message, None, f"PL/pgSQL: {sql}")


SHOWN = [
    "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "ALTER TABLE notes ADD COLUMN kind text DEFAULT 'a' CHECK (kind IN ('a', 'b'))",
    "UPDATE notes SET title = E'it\\'s' WHERE id = 5",
    "SET LOCAL lock_timeout = '3s'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 'a'::text; SELECT 1 $$",
    "SELECT 'not finished",
    "COMMENT ON TABLE notes IS $$it's$$",
]


@pytest.mark.parametrize("sql", SHOWN)
def test_what_holds_no_secret_is_shown_as_it_is(sql: str) -> None:
    assert redacted(sql) == sql


HALF = {
    "DO $$ BEGIN ALTER ROLE app PASSWORD 'x'; END $$": "DO $$ BEGIN ALTER ROLE app PASSWORD '…'; END $$",
    "ALTER ROLE app PASSWORD NULL": "ALTER ROLE app PASSWORD NULL",
    'ALTER ROLE app PASSWORD "x"': "ALTER ROLE app PASSWORD '…'",
    "ALTER ROLE app PASSWORD x LOGIN": "ALTER ROLE app PASSWORD '…'",
    "ALTER SYSTEM SET app.key = x": "ALTER SYSTEM SET app.key = '…'",
    "SELECT 'a'; ALTER ROLE app PASSWORD 'x'": "SELECT 'a'; ALTER ROLE app PASSWORD '…'",
    "EXECUTE 'ALTER ROLE app PASS' || 'WORD ''x'''": "EXECUTE '…' || '…'",
    "INSERT INTO users (pin, password) VALUES (1234, $1)": "INSERT INTO users (pin, password) VALUES (…, $1)",
    "COMMENT ON TABLE t IS 'http://u:x@host/'": "COMMENT ON TABLE t IS '…'",
}


@pytest.mark.parametrize(("sql", "shown"), HALF.items())
def test_the_rest_of_a_statement_is_shown(sql: str, shown: str) -> None:
    assert redacted(sql) == shown


MESSAGES = {
    'password authentication failed for user "app"': 'password authentication failed for user "app"',
    "wrong password: hunter2": "wrong password: …",
    "cannot reach postgresql://u:hunter2@host/db": "cannot reach postgresql://…@host/db",
    "host=x password='hunter2' port=1": "host=x password=… port=…",
}


@pytest.mark.parametrize(("message", "shown"), MESSAGES.items())
def test_a_message_is_read_too(message: str, shown: str) -> None:
    assert redacted_message(message) == shown


def test_the_rest_of_a_message_is_shown() -> None:
    said = redacted_message('role "app" does not exist', "ALTER ROLE app PASSWORD 'hunter2'")
    assert said == 'role "app" does not exist'
    said = redacted_message(
        'missing "=" after "hunter2" in connection info string',
        "CREATE SUBSCRIPTION s CONNECTION 'host=a hunter2' PUBLICATION p",
    )
    assert said == 'missing "=" after "…" in connection info string'


@pytest.mark.parametrize(
    "text", ["/*" * 50_000, "'" * 99_999, "$a$" * 50_000 + "$", "E'\\" * 50_000]
)
def test_long_texts_take_no_long_time(text: str) -> None:
    redacted(f"ALTER ROLE app PASSWORD 'x'; {text}")


@pytest.mark.parametrize(
    ("source", "may_hold_one"),
    [
        ('with_connection(engine, options["x"])', False),
        ('connection.execute(text("DELETE FROM notes"))', False),
        ('login(user, password="x")', True),
        ("run_sql(\"CREATE SUBSCRIPTION s CONNECTION 'host=a b=c'\")", True),
        ("run_sql(\"ALTER SERVER s OPTIONS (key 'x')\")", True),
        ("run_sql(\"SELECT set_config('a.b', 'x', true)\")", True),
    ],
)
def test_source_holds_a_secret_if_it_names_one_or_has_such_sql(
    source: str, may_hold_one: bool
) -> None:
    assert source_may_hold_a_secret(source) is may_hold_one
