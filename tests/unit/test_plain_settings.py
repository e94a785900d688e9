"""The reader of the fast path agrees with `DatabaseSettings` wherever it takes an address."""

import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from alembic_live import plain_settings
from alembic_live.address import Address
from alembic_live.errors import ConfigurationError
from alembic_live.plain_settings import read_migration_address
from alembic_live.settings import DatabaseSettings
from hypothesis import example, given, settings
from hypothesis import strategies as st

NAMES = list(DatabaseSettings.model_fields)
COMPLETE = {
    "DB_HOST": "localhost",
    "DB_PORT": "5432",
    "DB_USER": "user",
    "DB_PASSWORD": "password",
    "DB_NAME": "name",
}


@dataclass
class Sources:
    """What is written in each place."""

    environment: dict[str, str] = field(default_factory=dict)
    env_file: str | None = None
    secrets: dict[str, str] | None = None
    names_the_folder: bool = True  # with SECRETS_DIR


@contextmanager
def written(sources: Sources, folder: Path) -> Iterator[Path]:
    """Write them, and return the path of the `.env` file."""
    shutil.rmtree(folder, ignore_errors=True)
    secrets, env_file = folder / "secrets", folder / ".env"
    folder.mkdir()
    environment = dict(sources.environment)
    if sources.env_file is not None:
        env_file.write_text(sources.env_file, encoding="utf-8", newline="")
    if sources.secrets is not None:
        secrets.mkdir()
        for name, value in sources.secrets.items():
            (secrets / name).write_text(value, encoding="utf-8", newline="")
    if sources.names_the_folder:
        environment["SECRETS_DIR"] = str(secrets)
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(plain_settings, "SECRETS_DIR", str(secrets)),
        mock.patch("alembic_live.settings.DEFAULT_SECRETS_DIR", str(secrets)),
    ):
        yield env_file


def by_the_fast_path(env_file: Path) -> Address | None:
    try:
        return read_migration_address(env_file)
    except Exception:  # whatever it is, the fast path steps aside
        return None


def by_the_settings(env_file: Path) -> Address | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return DatabaseSettings.load(_env_file=env_file).migration_address
    except ConfigurationError:
        return None


def one_line() -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


VALUES = {
    "URL": ["postgres://u:p@h/n", "postgresql+psycopg://a%40b:p@/n?host=/run", "mysql://x", "h/n"],
    "HOST": [
        "db.example.com",
        "10.0.0.1",
        "::1",
        "[::1]",
        "/run/postgresql",
        "a:5432",
        "é",
        ".",
        "a,b",
        "a,",
    ],
    "PORT": [
        "5432",
        "1",
        "65535",
        "65536",
        "0",
        "05432",
        " 5432",
        "5_432",
        "5432.0",
        "+1",
        "٣",
        "1,2",
        "1,",
    ],
    "SERVICE": ["nowhere", "a\tb"],
    "SSLCERT": ["/me.crt", "a\tb"],
    "SSLKEY": ["/me.key"],
    "SSLMODE": ["disable", "prefer", "require", "verify-ca", "verify-full", "Require", "maybe"],
    "SSLROOTCERT": ["/etc/root.crt", "system", "a\tb"],
    "DRIVER_ASYNC": ["asyncpg", "psycopg", "psycopg2"],
    "DRIVER_SYNC": ["psycopg", "psycopg2", "asyncpg"],
    "POOLER": ["none", "session", "transaction", "TRANSACTION"],
    "AHEAD": ["fail", "warn", "Fail"],
    "TIMEOUT": ["600", "0.5", "-1", "86401", "1e3", "inf", "nan", "0600", ".5", "5."],
    "WAIT": ["3", "x", "1_0"],
    "RETRIES": ["10", "1000", "1001", "1.5", "1.0", "010"],
}
TEXTS = [
    "plain",
    "with space",
    " ends ",
    "%@:/#?&'\"\\",
    "é数",
    "$USER",
    "${DB_HOST}",
    "a\nb",
    "x#y",
]


def value_of(name: str) -> st.SearchStrategy[str]:
    """Values for a setting: mostly those that mean something for it."""
    known = next((VALUES[end] for end in VALUES if name.endswith(end)), TEXTS)
    likely = st.sampled_from(known[:2])
    return st.one_of(likely, likely, likely, st.sampled_from(known), st.just(""), one_line())


@st.composite
def assignments(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Names and values in some order; names in small letters and twice are among them."""
    names = draw(st.lists(st.sampled_from(NAMES), max_size=4))
    return [
        (draw(st.sampled_from([name, name, name.lower(), name.title()])), draw(value_of(name)))
        for name in names
    ]


def line(name: str, value: str, style: str) -> str:
    match style:
        case "single":
            return f"{name}='{value}'"
        case "double":
            return f'{name}="{value}"'
        case "export":
            return f"export {name} = {value}"
        case "name":
            return name
        case "comment":
            return f"{name}={value} # {value}"
        case _:
            return f"{name}={value}"


STYLES = st.sampled_from(["plain", "plain", "single", "double", "export", "name", "comment"])


@st.composite
def all_sources(draw: st.DrawFn) -> Sources:
    """A complete set of settings somewhere, with changes to it in each place."""
    complete = draw(st.sampled_from(["environment", "file", "secrets", "nowhere"]))
    environment = dict(COMPLETE) if complete == "environment" else {}
    environment |= dict(draw(assignments()))
    lines = [line(*pair, draw(STYLES)) for pair in draw(assignments())]
    if complete == "file":
        lines = [line(*pair, "plain") for pair in COMPLETE.items()] + lines
    secrets = dict(COMPLETE) if complete == "secrets" else {}
    secrets |= {name: f"{value}\n" for name, value in draw(assignments())}
    return Sources(
        {name: value for name, value in environment.items() if is_possible(value)},
        draw(st.sampled_from(["\n", "\r\n"])).join(lines) if lines else None,
        secrets or draw(st.sampled_from([None, {}])),
        draw(st.booleans()),
    )


def is_possible(value: str) -> bool:
    """Whether it can be in an environment."""
    return "\0" not in value


def test_where_it_takes_an_address_it_is_that_of_the_settings(tmp_path: Path) -> None:
    taken = []

    @given(sources=all_sources())
    @example(Sources(COMPLETE | {"DB_PASSWORD": "\udcff"}))
    @example(Sources(COMPLETE | {"DB_HOST": "\udcff"}))
    @example(Sources(COMPLETE, "DB_HOST=é\nnot a line\nDB_PORT"))
    @example(Sources(COMPLETE, None, {"DB_PORT": "", "DB_SSLMODE": ""}))
    @example(Sources(COMPLETE, None, None, names_the_folder=True))
    @example(Sources({"db_host": "a", "DB_HOST": "b"} | COMPLETE))
    @settings(max_examples=300, deadline=None)
    def compare(sources: Sources) -> None:
        with written(sources, tmp_path / "place") as env_file:
            address = by_the_fast_path(env_file)
            taken.append(address is not None)
            if address is not None:
                assert address == by_the_settings(env_file)

    compare()
    assert sum(taken) > len(taken) / 10  # else the comparison says nothing


USUAL: dict[str, Sources] = {
    "the environment": Sources(COMPLETE, names_the_folder=False),
    "an .env file": Sources({}, "".join(f"{n}={v}\n" for n, v in COMPLETE.items()), {}),
    "secrets": Sources({}, None, {name: f"{value}\n" for name, value in COMPLETE.items()}),
    "all of them": Sources(
        {"DB_HOST": "db.example.com", "DB_SSLMODE": "verify-full", "DB_POOLER": "session"},
        "# The database\nDB_PORT=5432\nexport DB_USER='some one'\nDB_NAME=\"a b\"\nOTHER=1\n",
        {"DB_PASSWORD": "%@:/#?&'\"\\ é", "other": "x"},
    ),
    "an address for migrations": Sources(
        COMPLETE
        | {
            "DB_POOLER": "transaction",
            "DB_MIGRATION_HOST": "::1",
            "DB_MIGRATION_USER": "owner",
            "DB_MIGRATION_PASSWORD": "secret",
            "DB_DRIVER_SYNC": "psycopg",
            "DB_MIGRATION_LOCK_WAIT": "0.5",
        }
    ),
    "a URL": Sources({"DATABASE_URL": "postgres://u:p%40@h/n?sslmode=require", "DB_NAME": "m"}),
    "no password": Sources(COMPLETE | {"DB_PASSWORD": "", "DB_SSLCERT": "/me.crt"}),
    "empty values": Sources(COMPLETE | {"DB_SSLMODE": "", "DB_MIGRATION_HOST": ""}, None, {}),
}


@pytest.mark.parametrize("sources", USUAL.values(), ids=USUAL.keys())
def test_it_takes_what_services_are_usually_given(sources: Sources, tmp_path: Path) -> None:
    sources.secrets = sources.secrets or {}
    with written(sources, tmp_path / "place") as env_file:
        address = by_the_fast_path(env_file)
        assert address is not None
        assert address == by_the_settings(env_file)


UNUSUAL: dict[str, Mapping[str, str]] = {
    "no host": {"DB_HOST": ""},
    "weak verification": {"DB_SSLROOTCERT": "system", "DB_SSLMODE": "require"},
    "an unknown service": {"DB_HOST": "", "DB_SERVICE": "nowhere"},
    "a wrong URL": {"DB_HOST": "", "DATABASE_URL": "mysql://h"},
    "a wrong port": {"DB_PORT": "abc"},
    "a wrong number": {"DB_MIGRATION_LOCK_TIMEOUT": "soon"},
    "a wrong choice": {"DB_MIGRATION_AHEAD": "maybe"},
    "only a pooler": {"DB_POOLER": "transaction"},
    "no certificate": {"DB_SSLMODE": "verify-ca"},
    "a line break": {"DB_NAME": "a\nb"},
    "no folder of secrets": {"SECRETS_DIR": "/nonexistent"},
}


@pytest.mark.parametrize("change", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_where_the_settings_refuse_it_steps_aside(
    change: Mapping[str, str], tmp_path: Path
) -> None:
    sources = Sources({**COMPLETE, **change}, names_the_folder=False)
    with written(sources, tmp_path / "place") as env_file:
        assert by_the_settings(env_file) is None
        assert by_the_fast_path(env_file) is None


def test_a_secret_that_is_a_link_out_of_its_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("elsewhere")
    with written(Sources(COMPLETE, None, {}), tmp_path / "place") as env_file:
        (env_file.parent / "secrets" / "DB_HOST").symlink_to(tmp_path / "outside")
        assert by_the_fast_path(env_file) is None


def test_an_env_file_that_is_not_text_is_left_to_the_settings(tmp_path: Path) -> None:
    with written(Sources(COMPLETE, None, {}), tmp_path / "place") as env_file:
        env_file.write_bytes(b"DB_HOST=\xff\n")
        assert by_the_fast_path(env_file) is None
        env_file.unlink()
        env_file.mkdir()
        assert by_the_fast_path(env_file) is None


def test_it_knows_every_setting() -> None:
    assert plain_settings._CHECKS.keys() == DatabaseSettings.model_fields.keys()
