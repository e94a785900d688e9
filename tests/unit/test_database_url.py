"""DATABASE_URL: what it says, what is refused, and what comes first beside the DB_* settings."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from alembic_live import Address, ConfigurationError, DatabaseSettings
from alembic_live.database_url import read_database_url
from alembic_live.plain_settings import read_migration_address
from alembic_live.setting_places import describe_places
from hypothesis import given
from hypothesis import strategies as st

SECRET = "hunter2"
NOWHERE = Path("/nowhere/.env")

text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]), min_size=1)


def load(url: str, **values: Any) -> DatabaseSettings:
    return DatabaseSettings.load(DATABASE_URL=url, **values)


@given(user=text, password=text, name=text, schema=st.sampled_from(["postgres", "PostgreSQL"]))
def test_every_character_can_be_percent_encoded(
    user: str, password: str, name: str, schema: str
) -> None:
    place = f"{quote(user, safe='')}:{quote(password, safe='')}@h:7/{quote(name, safe='')}"
    address = load(f"{schema}://{place}").address
    assert address == Address("h", 7, user, password, name)
    assert address.origin == "DATABASE_URL"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p@h/n", {}),
        ("  postgresql://u:p@h:5432/n\n", {}),
        ("postgresql+asyncpg://u:p@h/n", {"DB_DRIVER_ASYNC": "asyncpg"}),
        ("postgresql+psycopg://u:p@h/n", {"DB_DRIVER_ASYNC": "psycopg"}),
        ("postgresql+psycopg2://u:p@h/n", {"DB_DRIVER_SYNC": "psycopg2"}),
        ("postgres://u:p@ss:w@h/n", {"DB_PASSWORD": "p@ss:w"}),
        ("postgres://u:a+b%2Bc@h/n", {"DB_PASSWORD": "a+b+c"}),
        ("postgres://u:p@[::1]:7/n", {"DB_HOST": "::1", "DB_PORT": "7"}),
        ("postgres://u:p@%2Frun%2Fpg/n", {"DB_HOST": "/run/pg"}),
        ("postgres://u:p@h,i/n", {"DB_HOST": "h,i"}),
        ("postgres://u:p@h,[::1]:7/n", {"DB_HOST": "h,::1", "DB_PORT": "5432,7"}),
        ("postgres://u:p@/n?host=h,i&port=1,2", {"DB_HOST": "h,i", "DB_PORT": "1,2"}),
        ("postgres:///n?host=/run/pg&user=u&password=p&port=7", {"DB_HOST": "/run/pg", "DB_PORT": "7"}),
        ("postgres://u:p@h/n?sslmode=verify-full", {"DB_SSLMODE": "verify-full"}),
        ("postgres://u:p@h/n?ssl=true", {"DB_SSLMODE": "require"}),
        ("postgres://u:p@h/n?sslrootcert=/ca%20x&", {"DB_SSLROOTCERT": "/ca x"}),
    ],
)  # fmt: skip
def test_the_parts_of_a_url(url: str, expected: dict[str, str]) -> None:
    plain = {
        "DB_HOST": "h", "DB_PORT": "5432", "DB_USER": "u", "DB_PASSWORD": "p", "DB_NAME": "n"
    }  # fmt: skip
    assert read_database_url(url).values == plain | expected
    assert not read_database_url(url).options


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_the_options_of_libpq_mean_the_same_to_each_driver(driver: str) -> None:
    parameters = "connect_timeout=3&application_name=me&options=-csearch_path%3Dsales"
    address = load(f"postgres://u:p@h/n?{parameters}", DB_DRIVER_ASYNC=driver).address
    arguments = address.connect_args({"application_name": "mine", "jit": "off"})
    if driver == "asyncpg":
        assert arguments["timeout"] == 3
        assert arguments["server_settings"] == {
            "application_name": "me", "options": "-csearch_path=sales", "jit": "off"
        }  # fmt: skip
    else:
        assert arguments["connect_timeout"] == 3
        assert arguments["application_name"] == "me"
        assert arguments["options"] == "-c jit=off -csearch_path=sales"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"u:{SECRET}@h/n", "it takes postgresql://"),
        (f"mysql://u:{SECRET}@h/n", "it takes postgresql://"),
        (f"jdbc:postgresql://u:{SECRET}@h/n", "it takes postgresql://"),
        (f"postgres://u:{SECRET}@h:x/n", "its port is not a number from 1 to 65535"),
        (f"postgres://u:{SECRET}/x@h/n", "a part of it is not clear. Percent-encode"),
        (f"postgres://u:a?{SECRET}=x@h/n", "a part of it is not clear. Percent-encode"),
        (f"postgres://u:{SECRET}%@h/n", "a percent sign of it is not followed by two"),
        (f"postgres://u:{SECRET}%ff@h/n", "is not UTF-8"),
        (f"postgres://u:{SECRET}%00@h/n", "its password has a NUL"),
        (f"postgres://u:{SECRET}@[::1/n", "a bracket without the other one"),
        (f"postgres://u:{SECRET}@h h/n", "its host is not one"),
        (f"postgres://u:{SECRET}@h/a%0Ab", "its dbname has a control character"),
        (f"postgres://u:{SECRET}@h/n?sslmode=maybe", "its sslmode is not one of disable, allow"),
        (f"postgres://u:{SECRET}@h/n?connect_timeout=soon", "its connect_timeout is not a number"),
        (f"postgres://u:{SECRET}@h/n?{SECRET} x", "a parameter of it is not name=value"),
        (f"postgres://u:{SECRET}@h/n?keepalives=1", "its parameter keepalives is not supported"),
        (f"postgres://u:{SECRET}@h/n?pgbouncer=true", "set DB_POOLER=transaction instead"),
        (f"postgres://u:{SECRET}@h,/n", "its host is not one"),
        (
            f"postgres://u:{SECRET}@h/n?target_session_attrs=any2",
            "its target_session_attrs is any2",
        ),
        (
            f"postgres://u:{SECRET}@h/n?target_session_attrs=standby",
            "Set DB_READ_HOST for replicas",
        ),
        (f"postgres://u:{SECRET}@h/n?schema=s", "write options=-csearch_path%3DNAME instead"),
    ],
)
def test_a_url_that_is_wrong_is_a_sentence(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(url)
    assert str(refused.value).startswith("A setting is wrong. DATABASE_URL: ")
    assert words in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["channel_binding", "gssencmode"])
def test_an_option_that_asyncpg_does_not_support_is_a_sentence(name: str) -> None:
    settings = load(f"postgres://u:p@h/n?{name}=require")
    with pytest.raises(ConfigurationError, match=f"{name} is require in DATABASE_URL, and asyncpg"):
        _ = settings.address
    harmless = load(f"postgres://u:p@h/n?{name}=prefer").address.connect_args({})
    assert name not in harmless["server_settings"]
    url = f"postgresql+psycopg://u:p@h/n?{name}=require"
    assert load(url).address.connect_args({})[name] == "require"


def test_the_settings_come_first_and_the_place_of_each_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgres://u:{SECRET}@h:7/n?sslmode=require")
    monkeypatch.setenv("DB_NAME", "other")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    (tmp_path / "DB_USER").write_text("me\n")
    settings = DatabaseSettings.load()
    assert settings.address == Address("h", 7, "me", SECRET, "other", "require")
    assert settings.DB_HOST == "h"
    assert settings.address.origin == "DATABASE_URL and the DB_* settings"
    assert read_migration_address(NOWHERE) == settings.migration_address
    places = describe_places(settings)
    assert places == (
        "DB_HOST, DB_PORT, DB_PASSWORD, DB_SSLMODE from DATABASE_URL; "
        f"DB_USER from {tmp_path}; DB_NAME from the environment; DATABASE_URL from the environment"
    )
    assert SECRET not in repr(settings) + str(settings.model_dump())


def test_beside_a_whole_address_it_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {"DB_HOST": "h", "DB_PORT": "1", "DB_USER": "u", "DB_PASSWORD": "p", "DB_NAME": "n"}
    for name, value in whole.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", "mysql://of-something-else")
    settings = DatabaseSettings.load()
    assert settings.address == Address("h", 1, "u", "p", "n")
    assert read_migration_address(NOWHERE) == settings.address
    assert "DATABASE_URL in the environment is not read" in describe_places(settings)


def test_a_service_may_have_a_field_of_that_name() -> None:
    class Settings(DatabaseSettings):
        DATABASE_URL: str  # type: ignore[assignment]

    assert Settings.load(DATABASE_URL="sqlite://").DATABASE_URL == "sqlite://"


def test_what_it_leaves_out_is_named() -> None:
    with pytest.raises(ConfigurationError) as refused:
        _ = load("postgres://h/n").address
    assert "DB_USER and DB_PASSWORD are not set" in str(refused.value)
    assert "DATABASE_URL leaves them out" in str(refused.value)
