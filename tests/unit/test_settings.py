"""`DatabaseSettings`: where values come from, and what is said when one is missing or wrong."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic_live import Address, ConfigurationError, DatabaseSettings, Limits
from alembic_live.limits import PoolSize
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

SECRET = "s3cr3t-p%ss"
GIVEN = {"DB_HOST": "h", "DB_PORT": 1, "DB_USER": "u", "DB_PASSWORD": SECRET, "DB_NAME": "n"}


def load(**values: Any) -> DatabaseSettings:
    """The settings with these values and those that are required."""
    return DatabaseSettings.load(**GIVEN | values)


def refusal(**values: Any) -> str:
    """What is said of values that are wrong."""
    with pytest.raises(ConfigurationError) as refused:
        _ = load(**values).migration_address
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None
    return str(refused.value)


def test_the_environment_comes_before_env_before_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Settings(DatabaseSettings):
        model_config = SettingsConfigDict(env_file=tmp_path / ".env")

    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, value in GIVEN.items():
        (secrets / name).write_text(f"{value}\n")
    (secrets / "db_sslmode").write_text("require")  # in lower case
    monkeypatch.setenv("SECRETS_DIR", str(secrets))
    (tmp_path / ".env").write_text("DB_HOST=from-env-file\nDB_USER=from-env-file\nOTHER=1\n")
    monkeypatch.setenv("DB_USER", "from-env")
    monkeypatch.setenv("DB_NAME", "")  # which is none
    address = Settings.load().address
    assert address == Address("from-env-file", 1, "from-env", SECRET, "n", "require")
    assert Settings.env_file() == tmp_path / ".env"
    assert DatabaseSettings.env_file() is None


def test_nothing_is_required_until_something_connects() -> None:
    settings = DatabaseSettings.load()
    assert settings.limits == Limits()
    with pytest.raises(
        ConfigurationError, match="DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME"
    ):
        _ = settings.address


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ({"DB_NAME": ""}, "DB_NAME is not set. Run `uv run db start`"),
        ({"DB_HOST": "", "DB_PASSWORD": ""}, "DB_HOST and DB_PASSWORD are not set."),
    ],
)
def test_all_that_is_missing_is_named(missing: dict[str, str], words: str) -> None:
    assert words in refusal(**missing)


WRONG = [
    ("DB_PORT", "abc", "DB_PORT: it takes a number from 1 to 65535, or several with commas. Corr"),
    ("DB_PORT", "1,x", "DB_PORT: it takes a number from 1 to 65535"),
    ("DB_HOST", "a,,b", "DB_HOST: a host between its commas is missing"),
    ("DB_PORT", "0", "DB_PORT: it takes a number from 1 to 65535"),
    ("DB_PORT", "65536", "DB_PORT: it takes a number from 1 to 65535"),
    ("DB_MIGRATION_PORT", "x", "DB_MIGRATION_PORT: it takes a number from 1 to 65535"),
    ("DB_MIGRATION_LOCK_WAIT", "nan", "DB_MIGRATION_LOCK_WAIT: it takes a number from 0 to"),
    ("DB_MIGRATION_LOCK_RETRIES", "1.5", "LOCK_RETRIES: it takes a number from 0 to 1000"),
    ("DB_POOL_SIZE", "0", "DB_POOL_SIZE: it takes a number from 1 to 10000"),
    ("DB_MIGRATION_AHEAD", "maybe", "DB_MIGRATION_AHEAD: it takes 'fail' or 'warn'"),
    ("DB_HOST", f"https://u:{SECRET}@h/x", "DB_HOST: it takes a host name, an IP address"),
    ("DB_HOST", "localhost/other", "DB_HOST: it takes a host name, an IP address"),
    ("DB_HOST", "localhost:5432", "DB_HOST: it takes a host name, an IP address"),
    ("DB_HOST", "[::1]", "an IP address without brackets"),
    ("DB_HOST", "h" * 300, "DB_HOST: it takes a host name"),
    ("DB_MIGRATION_HOST", "h?host=/tmp", "DB_MIGRATION_HOST: it takes a host name"),
    ("DB_USER", "a\nb", "DB_USER: it takes no control characters"),
    ("DB_NAME", "a\u202eb", "DB_NAME: it takes no control characters"),
    ("DB_PASSWORD", f"{SECRET}\0", "DB_PASSWORD: it takes every character except NUL"),
    ("DB_SSLMODE", "maybe", "'verify-ca' or 'verify-full'"),
    ("DB_SSLMODE", "verify-ca", "needs DB_SSLROOTCERT"),
    ("DB_DRIVER_ASYNC", "aiopg", "DB_DRIVER_ASYNC: it takes 'asyncpg' or 'psycopg'"),
    ("DB_DRIVER_SYNC", "mysql", "DB_DRIVER_SYNC: it takes '', 'psycopg' or 'psycopg2'"),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_a_wrong_value_is_named_and_not_shown(name: str, value: str, words: str) -> None:
    text = refusal(**{name: value})
    assert words in text
    assert len(value) < 5 or value not in text or value.startswith("verify")


NAMES = (
    "DB_USER",
    "DB_NAME",
    "DB_MIGRATION_USER",
    "DB_HOST",
    "DB_MIGRATION_HOST",
    "DB_SSLROOTCERT",
)
CONTROL = {
    "line break": "x\n\\! touch owned\n--",
    "return": "x\r\\! touch owned\r",
    "escape": "x\x1b[31m",
    "delete": "x\x7f",
    "C1": "x\x9b31m",
    "line separator": "x\u2028",
    "override": "x\u202e",
}


@pytest.mark.parametrize("value", CONTROL.values(), ids=CONTROL.keys())
@pytest.mark.parametrize("name", NAMES)
def test_a_control_character_in_a_name_is_refused(name: str, value: str) -> None:
    text = refusal(**{name: f"/{value}" if name.endswith("HOST") else value})
    assert f"{name}: it takes no control characters" in text
    assert value not in text


@pytest.mark.parametrize(
    "host", ["h", "db.example.com", "db.example.com.", "10.0.0.1", "::1", "/run/pg a", "a_b"]
)
def test_these_are_hosts(host: str) -> None:
    assert load(DB_HOST=host).address.host == host


def test_several_wrong_values_are_named_together() -> None:
    text = refusal(DB_PORT="x", DB_HOST="a:b")
    assert "DB_HOST: " in text
    assert "DB_PORT: " in text


def test_a_folder_of_secrets_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS_DIR", "/nowhere")
    assert refusal() == "SECRETS_DIR is /nowhere, which is not a folder."


def test_an_env_file_that_cannot_be_read(tmp_path: Path) -> None:
    class Settings(DatabaseSettings):
        model_config = SettingsConfigDict(env_file=tmp_path / ".env")

    (tmp_path / ".env").write_bytes(b"DB_HOST=\xff\n")
    with pytest.raises(ConfigurationError, match=r"\.env cannot be read: "):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "driver", "package"),
    [
        ("DB_DRIVER_SYNC", "psycopg", "psycopg[binary]"),
        ("DB_DRIVER_SYNC", "psycopg2", "psycopg2-binary"),
        ("DB_DRIVER_ASYNC", "psycopg", "psycopg[binary]"),
    ],
)
def test_a_driver_that_is_not_installed(
    name: str, driver: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    text = refusal(**{name: driver})
    assert (
        f"{name} is {driver}, which is not installed. Install it with `uv add '{package}'`" in text
    )


def test_the_authorities_of_the_system_verify_the_host_too() -> None:
    assert load(DB_SSLROOTCERT="system").address.sslmode == "verify-full"
    assert load(DB_SSLROOTCERT="system", DB_SSLMODE="disable").address.sslmode == "disable"
    for mode in ("prefer", "require", "verify-ca"):
        text = refusal(DB_SSLROOTCERT="system", DB_SSLMODE=mode)
        assert f"DB_SSLROOTCERT is system, and DB_SSLMODE is {mode}. Set it to verify-full" in text


def test_several_hosts_have_one_port_or_one_each() -> None:
    one = load(DB_HOST="a,/run/pg,::1", DB_PORT="7").address
    assert one.hosts == [("a", 7), ("/run/pg", 7), ("::1", 7)]
    assert one.role == "primary"
    assert str(one) == 'database "n" on a:7 or /run/pg:7 or [::1]:7 as "u"'
    several = load(DB_HOST="a,b", DB_PORT="1,2", DB_MIGRATION_PORT="3,4", DB_READ_HOST="c,d")
    assert several.address.hosts == [("a", 1), ("b", 2)]
    assert several.migration_address.hosts == [("a", 3), ("b", 4)]
    assert several.read_address is not None
    assert several.read_address.hosts == [("c", 1), ("d", 2)]
    assert several.read_address.role == ""
    assert "DB_HOST names 2 hosts, and DB_PORT 3 ports" in refusal(DB_HOST="a,b", DB_PORT="1,2,3")
    alone = load(DB_HOST="a,b", DB_PORT="1,2", DB_MIGRATION_HOST="m", DB_MIGRATION_PORT=5)
    assert alone.migration_address == load(DB_HOST="m", DB_PORT=5).address.replaced(role="primary")


def test_one_host_takes_what_is_there() -> None:
    assert load().address.role == ""
    assert load().read_address is None
    assert load(DB_READ_HOST="h").read_address is None
    read = load(DB_READ_HOST="r").read_address
    assert read == load(DB_HOST="r").address


def test_a_password_is_not_required() -> None:
    for more in ({}, {"DB_PASSWORD_COMMAND": "true"}, {"DB_SSLCERT": "/me.crt"}):
        assert load(DB_PASSWORD="", **more).address.password == ""
    assert "DB_HOST is not set" in refusal(DB_HOST="", DB_PASSWORD="", DB_PASSWORD_COMMAND="true")


def test_a_service_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "services"
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    with pytest.raises(ConfigurationError, match=f"DB_SERVICE: there is no service x in {file}"):
        DatabaseSettings.load(DB_SERVICE="x")
    file.write_text("[x]\nhost=h\nuser=%(u)s\nkeepalives=1\n")
    with pytest.raises(ConfigurationError, match="DB_SERVICE: its parameter keepalives is not"):
        DatabaseSettings.load(DB_SERVICE="x")
    file.write_text("[x]\nhost=h\nuser=%(u)s\n[y]\nhost=other\n")
    settings = DatabaseSettings.load(DATABASE_URL="postgres://:p@:7/n?service=x")
    assert settings.address == Address("h", 7, "%(u)s", "p", "n")
    assert "hunter2" not in refusal(DB_PASSWORD="", DATABASE_URL="postgres://u:hunter2@h/n?x=1")


def test_migrations_have_an_address_of_their_own() -> None:
    settings = load(
        DB_MIGRATION_HOST="other", DB_MIGRATION_PORT=2, DB_MIGRATION_USER="owner",
        DB_MIGRATION_PASSWORD="p", DB_DRIVER_SYNC="psycopg",
    )  # fmt: skip
    assert settings.migration_address == Address("other", 2, "owner", "p", "n", driver="psycopg")
    assert settings.address == Address("h", 1, "u", SECRET, "n")
    assert load().migration_address == load().address


def test_migrations_take_on_another_role() -> None:
    settings = load(DB_MIGRATION_ROLE="owner of all")
    assert settings.migration_address.set_role == settings.migration_address.owner == "owner of all"
    assert str(settings.migration_address) == 'database "n" on h:1 as "u" in role "owner of all"'
    assert settings.address.set_role == ""
    assert load(DB_MIGRATION_ROLE="none").migration_address.owner == "u"
    # libpq splits its options at spaces.
    address = replace(settings.migration_address, driver="psycopg")
    assert address.connect_args({"role": r"a \ b"})["options"] == r"-c role=a\ \\\ b"


def test_migrations_do_not_go_through_a_pooler_that_changes_sessions() -> None:
    assert "Set DB_MIGRATION_HOST or DB_MIGRATION_PORT" in refusal(DB_POOLER="transaction")
    assert load(DB_POOLER="transaction", DB_MIGRATION_PORT=2).migration_address.port == 2
    assert load(DB_POOLER="transaction").address.port == 1
    assert load(DB_POOLER="session").migration_address.port == 1


def test_the_limits_of_a_migration() -> None:
    settings = load(
        DB_MIGRATION_LOCK_TIMEOUT="1", DB_MIGRATION_LOCK_WAIT="0.5", DB_MIGRATION_LOCK_RETRIES="2",
        DB_MIGRATION_STATEMENT_TIMEOUT="7", DB_MIGRATION_AHEAD="warn",
    )  # fmt: skip
    assert settings.limits == Limits(1, 0.5, 2, 7, "warn")


def test_the_size_of_the_pool() -> None:
    assert load().pool == PoolSize(15, 0, 10, 1800)
    settings = load(
        DB_POOL_SIZE="1", DB_POOL_OVERFLOW="2", DB_POOL_TIMEOUT="0.5", DB_POOL_RECYCLE="60"
    )
    assert settings.pool == PoolSize(1, 2, 0.5, 60)


def test_a_service_has_settings_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Settings(DatabaseSettings):
        PRICE: int = 7

    monkeypatch.setenv("PRICE", "8")
    assert Settings.load().PRICE == 8
    monkeypatch.setenv("PRICE", "many")
    with pytest.raises(ConfigurationError, match="PRICE: it takes a valid integer"):
        Settings.load()


def test_the_password_is_in_no_text_of_the_settings() -> None:
    settings = load(DB_MIGRATION_PASSWORD=SECRET)
    for text in (repr(settings), str(settings), repr(settings.address), str(settings.model_dump())):
        assert SECRET not in text


def test_an_error_of_pydantic_s_own_does_not_show_it_either() -> None:
    with pytest.raises(ValidationError) as refused:
        DatabaseSettings(DB_PORT=SECRET)
    assert SECRET not in str(refused.value)
