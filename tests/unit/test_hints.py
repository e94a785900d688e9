"""Values as platforms give them: a sentence says what happened on their way."""

import io
from typing import Any

import pytest
from alembic_live import ConfigurationError, DatabaseSettings
from alembic_live.hints import hints_on_login
from alembic_live.postgres.explanations import explain_connection_error
from alembic_live.postgres.local.development import _dotenv_value
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL, create_engine

DOCKER = "has quotation marks around it, which count. Docker's --env-file keeps them"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "DB_PORT",
            "tcp://10.0.0.1:5432",
            "Kubernetes sets DB_PORT if a Service is called db. Set",
        ),
        ("DB_READ_PORT", "udp://10.0.0.1:1", "if a Service is called db_read."),
        ("DB_PORT", '"5432"', f"DB_PORT {DOCKER}"),
        ("DB_HOST", "'localhost'", f"DB_HOST {DOCKER}"),
        ("DB_SSLMODE", "'require'", f"DB_SSLMODE {DOCKER}"),
        ("DB_POOL_SIZE", '"5"', f"DB_POOL_SIZE {DOCKER}"),
        ("DATABASE_URL", "'postgres://u:hunter2@h/n'", "Docker's --env-file keeps them"),
    ],
)
def test_a_value_that_is_refused_gets_a_hint(name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        DatabaseSettings.load(**{name: value})
    assert words in str(refused.value)
    assert str(refused.value).count(". Correct it in ") == 1
    assert name == "DB_SSLMODE" or value.strip("\"'") not in str(refused.value)


class RefusedError(Exception):
    sqlstate = "28P01"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"password": "hunter2\n"}, " The password ends with a line break, which counts."),
        ({"password": "hunter2 "}, " The password ends with a blank, which counts."),
        ({"password": " hunter2"}, " The password begins with a blank, which counts."),
        ({"password": "'hunter2'"}, f" The password {DOCKER}: write the value without."),
        ({"username": '"me"'}, f" The user {DOCKER}: write the value without."),
        ({"database": "'x'"}, f" The name of the database {DOCKER}: write the value without."),
        ({}, "password."),
    ],
)
def test_a_login_that_fails_gets_a_hint(parts: dict[str, Any], words: str) -> None:
    known: dict[str, Any] = {"username": "me", "password": "hunter2", "database": "x"}
    engine = create_engine(URL.create("postgresql+psycopg", host="h", **known | parts))
    sentence = explain_connection_error(RefusedError("no"), engine)
    assert sentence.endswith(words)
    assert "hunter2" not in sentence


def test_a_value_that_is_right_gets_none() -> None:
    plain = [("It", "a'b"), ("It", "'"), ("It", None), ("It", "a b"), ("It", "'a\"")]
    assert hints_on_login(plain) == ""


@given(value=st.text(st.sampled_from("ab ${}:-\\\"'#=\t")))
def test_what_db_start_writes_is_read_again(value: str) -> None:
    line = f"NAME={_dotenv_value(value)}\n"
    assert dotenv_values(stream=io.StringIO(line)) == {"NAME": value}
