"""The DB_* settings without pydantic, for the fast path of `db migrate`.

It takes fewer values than `DatabaseSettings`. What it takes means the same to both: a test compares
them over random environments, `.env` files and secrets.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import get_args

from alembic_live.address import Address
from alembic_live.database_url import read_elsewhere
from alembic_live.errors import ConfigurationError
from alembic_live.host import require_hosts, require_ports
from alembic_live.printable import is_printable
from alembic_live.tls import SSLMode
from alembic_live.values import Values

SECRETS_DIR = "/run/secrets"


class UnsureError(Exception):
    """This is not simple enough to be decided here. `DatabaseSettings` decides it."""


def read_migration_address(env_file: Path) -> Address:
    """The address that migrations connect to: `DatabaseSettings.migration_address`.

    Args:
        env_file: the `.env` file, which need not exist.

    Raises:
        UnsureError: a setting is missing, wrong, or written in an unusual way.
        OSError: a file cannot be read.
        UnicodeDecodeError: a file is not UTF-8.
    """
    values = _values(env_file)
    for name, value in values.items():
        if not _CHECKS[name](value):
            raise UnsureError(name)
    try:
        if url := read_elsewhere(values):
            values = {**url.values, **values}
        return Values(values, url).migration_address
    except (ValueError, ConfigurationError):
        raise UnsureError("DatabaseSettings says what is wrong") from None


def read_sources(env_file: Path | None) -> Iterator[tuple[str, dict[str, str]]]:
    """Each place of settings, with the values in it by their names in capitals. The environment
    comes last: it overrides the `.env` file, which overrides the secrets.

    Raises:
        UnsureError: a file or a folder is unusual.
        OSError: a file cannot be read.
        UnicodeDecodeError: a file is not UTF-8.
    """
    yield str(_secrets_dir()), dict(_secrets())
    if env_file is not None:
        yield str(env_file), _known(_env_file(env_file))
    yield "the environment", _known(os.environ)


def _values(env_file: Path) -> dict[str, str]:
    values: dict[str, str] = {}
    for _place, given in read_sources(env_file):
        values |= given
    return values


def _known(source: Mapping[str, str | None]) -> dict[str, str]:
    # Names in small letters count too; where both are there, the later one does.
    given = {name.lower(): value for name, value in source.items() if value != ""}
    found = {name: given.get(name.lower()) for name in _CHECKS}
    return {name: value for name, value in found.items() if value is not None}


def _env_file(path: Path) -> Mapping[str, str | None]:
    if not path.exists():
        return {}
    if not path.is_file():
        raise UnsureError(str(path))
    from dotenv import dotenv_values  # what pydantic-settings reads it with

    return dotenv_values(path, encoding="utf-8")


def _secrets_dir() -> Path:
    return Path(os.environ.get("SECRETS_DIR", SECRETS_DIR))


def _secrets() -> Iterator[tuple[str, str]]:
    folder = _secrets_dir()
    if not folder.is_dir():
        if "SECRETS_DIR" in os.environ:
            raise UnsureError("SECRETS_DIR")
        return
    if str(folder).startswith("~"):  # pydantic-settings expands it
        raise UnsureError("SECRETS_DIR")
    found = set()
    for path in folder.iterdir():
        name = path.name.upper()
        if name not in _CHECKS:
            continue
        # A link out of the folder is ignored with a warning, and of two names one is chosen.
        is_inside = folder.resolve() in path.resolve().parents
        if name in found or not path.is_file() or not is_inside:
            raise UnsureError(path.name)
        found.add(name)
        yield name, path.read_text(encoding="utf-8").strip()


def _is_host(value: str) -> bool:
    try:
        return is_printable(require_hosts(value))
    except ValueError:
        return False


def _is_port(value: str) -> bool:
    try:
        require_ports(value)
    except ValueError:
        return False
    return True


def _is_password(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _is_one_of(*choices: str) -> Callable[[str], bool]:
    return choices.__contains__


def _is_number(low: int, high: int, *, whole: bool = False) -> Callable[[str], bool]:
    form = re.compile(r"(0|[1-9][0-9]{0,5})" + ("" if whole else r"(\.[0-9]{1,6})?"))

    def check(value: str) -> bool:
        return form.fullmatch(value) is not None and low <= float(value) <= high

    return check


_is_time = _is_number(0, 86_400)

# Every DB_* setting: those that do not matter here must be right as well.
_CHECKS: dict[str, Callable[[str], bool]] = {
    "DATABASE_URL": _is_password,
    "DB_SERVICE": is_printable,
    "DB_HOST": _is_host,
    "DB_PORT": _is_port,
    "DB_USER": is_printable,
    "DB_PASSWORD": _is_password,
    "DB_PASSWORD_COMMAND": _is_password,
    "DB_NAME": is_printable,
    "DB_SSLMODE": _is_one_of(*get_args(SSLMode)),
    "DB_SSLROOTCERT": is_printable,
    "DB_SSLCERT": is_printable,
    "DB_SSLKEY": is_printable,
    "DB_DRIVER_ASYNC": _is_one_of("asyncpg", "psycopg"),
    "DB_DRIVER_SYNC": _is_one_of("", "psycopg", "psycopg2"),
    "DB_READ_HOST": _is_host,
    "DB_READ_PORT": _is_port,
    "DB_MIGRATION_HOST": _is_host,
    "DB_MIGRATION_PORT": _is_port,
    "DB_MIGRATION_USER": is_printable,
    "DB_MIGRATION_PASSWORD": _is_password,
    "DB_MIGRATION_ROLE": is_printable,
    "DB_POOLER": _is_one_of("", "none", "session", "transaction"),
    "DB_MIGRATION_POOLER": _is_one_of("", "none", "session"),
    "DB_POOL_SIZE": _is_number(1, 10_000, whole=True),
    "DB_POOL_OVERFLOW": _is_number(0, 10_000, whole=True),
    "DB_POOL_TIMEOUT": _is_time,
    "DB_POOL_RECYCLE": _is_time,
    "DB_MIGRATION_LOCK_TIMEOUT": _is_time,
    "DB_MIGRATION_LOCK_WAIT": _is_time,
    "DB_MIGRATION_LOCK_RETRIES": _is_number(0, 1000, whole=True),
    "DB_MIGRATION_STATEMENT_TIMEOUT": _is_time,
    "DB_MIGRATION_AHEAD": _is_one_of("fail", "warn"),
}
