"""The DB_* settings without pydantic, for the fast path of `db migrate`.

It takes fewer values than `DatabaseSettings`. What it takes means the same to both: a test compares
them over random environments, `.env` files and secrets.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from alembic_live.address import Address, SSLMode
from alembic_live.host import require_host
from alembic_live.printable import is_printable

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
    get = values.get
    required = [get(f"DB_{name}", "") for name in ("HOST", "PORT", "USER", "PASSWORD", "NAME")]
    if not all(required):
        raise UnsureError("a setting is missing")
    migration_host, migration_port = get("DB_MIGRATION_HOST"), get("DB_MIGRATION_PORT")
    if get("DB_POOLER") == "transaction" and not (migration_host or migration_port):
        raise UnsureError("only the pooler's address is known")
    sslmode: Any = get("DB_SSLMODE", "prefer")
    if sslmode == "verify-ca" and not get("DB_SSLROOTCERT"):
        raise UnsureError("DB_SSLROOTCERT is missing")
    driver = get("DB_DRIVER_SYNC") or get("DB_DRIVER_ASYNC", "asyncpg")
    if find_spec(driver) is None:
        raise UnsureError(driver)
    host, port, user, password, name = required
    return Address(
        host=migration_host or host,
        port=int(migration_port or port),
        user=get("DB_MIGRATION_USER") or user,
        password=get("DB_MIGRATION_PASSWORD") or password,
        name=name,
        sslmode=sslmode,
        sslrootcert=get("DB_SSLROOTCERT", ""),
        driver=driver,
    )


def _values(env_file: Path) -> dict[str, str]:
    """The values by their names in capitals. The environment comes before the `.env` file, and that
    before the secrets.
    """
    values = dict(_secrets())
    for source in (_env_file(env_file), os.environ):
        # Names in small letters count too; where both are there, the later one does.
        given = {name.lower(): value for name, value in source.items() if value != ""}
        for name in _CHECKS:
            value = given.get(name.lower())
            if value is not None:
                values[name] = value
    return values


def _env_file(path: Path) -> Mapping[str, str | None]:
    if not path.exists():
        return {}
    if not path.is_file():
        raise UnsureError(str(path))
    from dotenv import dotenv_values  # what pydantic-settings reads it with

    return dotenv_values(path, encoding="utf-8")


def _secrets() -> Iterator[tuple[str, str]]:
    folder = Path(os.environ.get("SECRETS_DIR", SECRETS_DIR))
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
        return is_printable(require_host(value))
    except ValueError:
        return False


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


_is_port = _is_number(1, 65535, whole=True)
_is_time = _is_number(0, 86_400)

# Every DB_* setting: those that do not matter here must be right as well.
_CHECKS: dict[str, Callable[[str], bool]] = {
    "DB_HOST": _is_host,
    "DB_PORT": _is_port,
    "DB_USER": is_printable,
    "DB_PASSWORD": _is_password,
    "DB_NAME": is_printable,
    "DB_SSLMODE": _is_one_of(*get_args(SSLMode)),
    "DB_SSLROOTCERT": is_printable,
    "DB_DRIVER_ASYNC": _is_one_of("asyncpg", "psycopg"),
    "DB_DRIVER_SYNC": _is_one_of("", "psycopg", "psycopg2"),
    "DB_MIGRATION_HOST": _is_host,
    "DB_MIGRATION_PORT": _is_port,
    "DB_MIGRATION_USER": is_printable,
    "DB_MIGRATION_PASSWORD": _is_password,
    "DB_POOLER": _is_one_of("", "none", "session", "transaction"),
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
