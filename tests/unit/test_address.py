"""Addresses: what goes in is what a driver receives, by whichever way."""

import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from alembic.config import Config
from alembic_live import Address, ConfigurationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, engine_from_config, make_url

URL = "postgresql+%(DB_DRIVER)s://%(DB_USER)s:%(DB_PASSWORD)s@%(DB_HOST)s:%(DB_PORT)s/%(DB_NAME)s%(DB_QUERY)s"

# SQLAlchemy 2.0 takes another driver by default, and the name of a database as it is written.
IS_OLD = sqlalchemy.__version__.startswith("2.0.")
DEFAULT = "psycopg2" if IS_OLD else "psycopg"

text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40
)
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
addresses = st.fixed_dictionaries(
    {
        "host": st.one_of(
            st.lists(labels, min_size=1, max_size=4).map(".".join),
            st.ip_addresses().map(str),
            # A comma separates hosts, to all drivers alike.
            text.filter(lambda name: "," not in name).map(lambda name: f"/{name}"),
        ),
        "port": st.integers(1, 65535),
        "user": text,
        "password": text,
        "name": text.filter(lambda name: not (IS_OLD and "?" in name)),
    }
)

drivers = pytest.mark.parametrize(
    ("driver", "database"), [("asyncpg", "database"), ("psycopg", "dbname"), ("psycopg2", "dbname")]
)
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def engine_of_env_py(address: Address) -> Engine:
    """The engine that env.py connects with: through alembic.ini's URL."""
    config = Config()
    config.set_section_option("alembic", "sqlalchemy.url", URL)
    for name, value in address.url_options.items():
        config.set_section_option("alembic", name, value)
    return engine_from_config(config.get_section("alembic") or {})


def received(engine: Engine) -> Any:
    """What the driver is called with."""
    _arguments, received = engine.dialect.create_connect_args(engine.url)
    return received


@drivers
@given(values=addresses)
@many
def test_the_driver_receives_what_the_settings_say(
    driver: str, database: str, values: dict[str, Any]
) -> None:
    address = Address(**values, driver=driver)
    engine = engine_of_env_py(address)
    # The application's way ends at the same place as the migrations'.
    assert engine.url == address.url
    arguments = received(engine)
    assert arguments["user"] == values["user"]
    assert arguments["password"] == values["password"]
    assert arguments[database] == values["name"]
    assert arguments["host"] == values["host"]
    assert int(arguments["port"]) == values["port"]


@given(values=addresses)
@many
def test_a_url_has_the_address_that_it_was_made_of(values: dict[str, Any]) -> None:
    address = Address(**values, driver="psycopg")
    assert Address.from_url(address.url, "") == address
    if not IS_OLD:
        assert Address.from_url(address.url.render_as_string(hide_password=False), "") == address


@pytest.mark.skipif(not IS_OLD, reason="SQLAlchemy 2.1 reads it")
def test_a_question_mark_in_the_name_of_a_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Install SQLAlchemy 2\.1"):
        _ = Address("h", 1, "u", "p", "a?b").url_options


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://u:p@h/n", Address("h", 5432, "u", "p", "n", driver=DEFAULT)),
        ("postgresql+asyncpg://u:p@h:1/n", Address("h", 1, "u", "p", "n")),
        ("postgresql+psycopg_async://u@h/n", Address("h", 5432, "u", "", "n", driver="psycopg")),
        ("postgresql+psycopg2://u:p@[::1]/n", Address("::1", 5432, "u", "p", "n", driver="psycopg2")),
        ("postgresql+asyncpg://u:p@/n?host=/run/pg&port=7", Address("/run/pg", 7, "u", "p", "n")),
        ("postgresql+asyncpg://u:p@h", Address("h", 5432, "u", "p", "u")),
        (
            "postgresql+psycopg://u:p@h/n?sslmode=verify-full&sslrootcert=/ca&application_name=x",
            Address(
                "h", 5432, "u", "p", "n", "verify-full", "/ca", "psycopg", {"application_name": "x"}
            ),
        ),
        ("postgresql+asyncpg://u:p@h/n?ssl=require", Address("h", 5432, "u", "p", "n", "require")),
    ],
)  # fmt: skip
def test_the_parts_of_a_url(url: str, address: Address) -> None:
    assert Address.from_url(url, "") == address
    assert Address.from_url(make_url(url), "") == address


def test_what_a_url_leaves_out_is_libpq_s(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "h", "PORT": "7", "USER": "u", "PASSWORD": "p"}.items():
        monkeypatch.setenv(f"PG{name}", value)
    expected = Address("h", 7, "u", "p", "u")
    assert Address.from_url("postgresql+asyncpg://", "") == expected
    monkeypatch.setenv("PGDATABASE", "n")
    assert Address.from_url("postgresql+asyncpg://", "") == expected.replaced(name="n")
    named = Address.from_url("postgresql+asyncpg://a:b@c:1/d", "")
    assert named == Address("c", 1, "a", "b", "d")


def test_a_driver_that_is_not_installed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(ConfigurationError, match="uv add 'psycopg2-binary'"):
        Address.from_url("postgresql+psycopg2://u:p@h/n")


def test_parameters_of_a_url_reach_the_driver() -> None:
    address = Address.from_url("postgresql+psycopg://u:p@h/n?target_session_attrs=read-write")
    assert received(create_engine(address.url))["target_session_attrs"] == "read-write"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hunter2@h:d", "SQLAlchemy cannot read the URL of the database"),
        ("postgresql://u:hunter2@h:port/n", "SQLAlchemy cannot read the URL of the database"),
        ("mysql://u:hunter2@h/n", "names mysql. alembic-live needs Postgres"),
        ("postgresql://u:hunter2@h/n?sslmode=maybe", "has sslmode=maybe. It takes disable, allow"),
        ("postgresql://u:hunter2@/n?host=a,b", "names several hosts. Name the primary alone"),
        ("sqlite://", "names sqlite. alembic-live needs Postgres"),
    ],
)
def test_a_url_of_something_else_is_a_sentence(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Address.from_url(url)
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_an_address_is_shown_without_its_password() -> None:
    address = Address("::1", 5432, "me", "hunter2", "data")
    assert str(address) == 'database "data" on [::1]:5432 as "me"'
    assert "hunter2" not in repr(address)
    assert "hunter2" not in repr([address.url])


def test_empty_changes_keep_what_was_there() -> None:
    address = Address("h", 1, "u", "p", "n")
    assert address.replaced(host="", port=None, user="other") == Address("h", 1, "other", "p", "n")


@pytest.mark.parametrize(
    ("host", "is_here"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("/run", True), ("10.0.0.1", False)],
)
def test_which_machine_it_is_on(host: str, is_here: bool) -> None:
    assert Address(host, 1, "u", "p", "n").is_on_this_machine is is_here


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_what_libpq_is_given(driver: str) -> None:
    address = Address("h", 1, "u", "p", "n", "verify-full", driver=driver)
    arguments = address.connect_args({"application_name": "me", "jit": "off"})
    assert arguments["sslmode"] == "verify-full"
    assert arguments["sslrootcert"] == "system"
    assert arguments["application_name"] == "me"
    assert arguments["options"] == "-c jit=off"
    assert arguments["connect_timeout"] == 10
    assert arguments["keepalives"] == 1
    pooled = address.connect_args({"application_name": "me"}, pooled=True)
    assert "options" not in pooled  # poolers refuse it
    assert ("prepare_threshold" in pooled) == (driver == "psycopg")


def test_what_asyncpg_is_given() -> None:
    address = Address("h", 1, "u", "p", "n", "require")
    arguments = address.connect_args({"application_name": "me"})
    assert arguments["ssl"] == "require"
    assert arguments["timeout"] == 10
    assert arguments["server_settings"] == {"application_name": "me"}
    assert "statement_cache_size" not in arguments
    pooled = address.connect_args({}, pooled=True)
    assert pooled["statement_cache_size"] == pooled["prepared_statement_cache_size"] == 0
    name = pooled["prepared_statement_name_func"]
    assert name() != name()


@pytest.mark.parametrize(
    ("mode", "root", "verifies", "checks_host"),
    [
        ("disable", False, False, False),
        ("prefer", False, False, False),
        ("require", False, False, False),
        ("require", True, True, False),
        ("verify-ca", True, True, False),
        ("verify-full", False, True, True),
        ("verify-full", True, True, True),
    ],
)
def test_sslmode_means_to_asyncpg_what_it_means_to_libpq(
    mode: Any, root: bool, verifies: bool, checks_host: bool, tmp_path: Path
) -> None:
    import trustme

    certificate = tmp_path / "root.crt"
    trustme.CA().cert_pem.write_to_path(certificate)
    address = Address("h", 1, "u", "p", "n", mode, str(certificate) if root else "")
    context = address.connect_args({})["ssl"]
    if verifies:
        assert isinstance(context, ssl.SSLContext)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname is checks_host
    else:
        assert context == mode


@pytest.mark.parametrize(
    ("mode", "for_libpq"),
    [
        ("disable", "disable"),
        ("allow", "require"),
        ("prefer", "require"),
        ("verify-ca", "verify-ca"),
    ],
)
def test_a_client_certificate_needs_tls(mode: Any, for_libpq: str, tmp_path: Path) -> None:
    import trustme

    certificate = tmp_path / "both.pem"
    trustme.CA().issue_cert("me").private_key_and_cert_chain_pem.write_to_path(certificate)
    address = Address("h", 1, "u", "", "n", mode, sslcert=str(certificate))
    given = address.connect_args({})["ssl"]
    if mode == "disable":
        assert given == "disable"
    else:
        assert given.verify_mode is (ssl.CERT_REQUIRED if mode == "verify-ca" else ssl.CERT_NONE)
    libpq = address.replaced(driver="psycopg").connect_args({})
    assert libpq["sslmode"] == for_libpq
    assert libpq.get("sslcert") == (None if mode == "disable" else str(certificate))


def test_a_client_certificate_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as keys
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    key = tmp_path / "encrypted.key"
    key.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            keys.Encoding.PEM, keys.PrivateFormat.PKCS8, keys.BestAvailableEncryption(b"hunter2")
        )
    )
    for path in ("/nowhere/me.crt", str(key)):
        address = Address("h", 1, "u", "", "n", sslcert=path, sslkey=str(key))
        with pytest.raises(ConfigurationError, match=f"DB_SSLCERT is {path} and DB_SSLKEY is "):
            address.connect_args({})


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_root_certificate_that_cannot_be_read_is_a_sentence(
    content: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "root.crt"
    if content:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"DB_SSLROOTCERT is {path}, which is not a file"):
        Address("h", 1, "u", "p", "n", "verify-full", str(path)).connect_args({})
