"""The address in one value: DATABASE_URL, as platforms provide it, or a service of libpq."""

import os
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as IniError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn, get_args
from urllib.parse import unquote

from alembic_live.address import DEFAULT_PORT, PRIMARY, Address
from alembic_live.hints import hint_on
from alembic_live.host import require_hosts, require_ports
from alembic_live.printable import is_printable
from alembic_live.tls import SSLMode

NAME = "DATABASE_URL"
SERVICE = "DB_SERVICE"
ADDRESS = ("DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME")
REQUIRED = ("DB_HOST", "DB_PORT", "DB_USER", "DB_NAME")

_DRIVERS: dict[str, dict[str, str]] = {
    "postgres": {},
    "postgresql": {},
    "postgresql+asyncpg": {"DB_DRIVER_ASYNC": "asyncpg"},
    "postgresql+psycopg": {"DB_DRIVER_ASYNC": "psycopg"},
    "postgresql+psycopg_async": {"DB_DRIVER_ASYNC": "psycopg"},
    "postgresql+psycopg2": {"DB_DRIVER_SYNC": "psycopg2"},
}
# The parameters of libpq that are settings.
_SETTINGS = {
    "host": "DB_HOST",
    "port": "DB_PORT",
    "user": "DB_USER",
    "password": "DB_PASSWORD",
    "dbname": "DB_NAME",
    "sslmode": "DB_SSLMODE",
    "sslrootcert": "DB_SSLROOTCERT",
    "sslcert": "DB_SSLCERT",
    "sslkey": "DB_SSLKEY",
}
_ROLE = "target_session_attrs"
_INSTEAD = {
    "pgbouncer": "set DB_POOLER=transaction instead",
    "prepared_statement_cache_size": "set DB_POOLER=transaction instead",
    "statement_cache_size": "set DB_POOLER=transaction instead",
    "connection_limit": "set DB_POOL_SIZE instead",
    "pool_timeout": "set DB_POOL_TIMEOUT instead",
    "schema": "write options=-csearch_path%3DNAME instead",
    "sslaccept": "write sslmode instead",
}
_ENCODE = "Percent-encode the special characters of the password and of the other parts"


@dataclass(frozen=True, slots=True)
class DatabaseURL:
    """What a DATABASE_URL, a service or both say.

    Attributes:
        values: the DB_* settings that it has a value for.
        options: the other parameters: those of libpq in `Address.options`.
        origin: what people call it.
        role: libpq's target_session_attrs, if it names the primary.
    """

    values: Mapping[str, str]
    options: Mapping[str, str]
    origin: str = NAME
    role: str = ""


def is_needed(given: Mapping[str, object]) -> bool:
    """Whether DATABASE_URL is read: not if the DB_* settings have a whole address.

    Args:
        given: the settings that have a value.
    """
    has_password = given.get("DB_PASSWORD") or given.get("DB_PASSWORD_COMMAND")
    return not has_password or not all(given.get(name) for name in REQUIRED)


def read_elsewhere(given: Mapping[str, str]) -> DatabaseURL | None:
    """What DATABASE_URL and DB_SERVICE say, as far as they are given and needed.

    Args:
        given: the settings that have a value.

    Raises:
        ValueError: one of them is wrong; the text says which, and does not show a secret.
    """
    url, service = given.get(NAME), given.get(SERVICE)
    if not is_needed(given) or not (url or service):
        return None
    of_service = read_service(service) if service else DatabaseURL({}, {}, NAME)
    if not url:
        return of_service
    of_url = read_database_url(url)
    return DatabaseURL(
        {**of_service.values, **of_url.values},
        {**of_service.options, **of_url.options},
        role=of_url.role or of_service.role,
    )


def read_service(name: str) -> DatabaseURL:
    """A service in a file of libpq.

    https://www.postgresql.org/docs/current/libpq-pgservice.html

    Raises:
        ValueError: it is not in the file, or has a parameter that one of the drivers does not
            support.
    """
    with _said_of(SERVICE):
        return replace(_checked(_service(name), {}), origin=SERVICE)


def _service(name: str) -> dict[str, str]:
    folder = os.environ.get("PGSYSCONFDIR")
    paths = [Path(os.environ.get("PGSERVICEFILE") or "~/.pg_service.conf").expanduser()]
    paths += [Path(folder, "pg_service.conf")] if folder else []
    for path in paths:
        parser = ConfigParser(interpolation=None, default_section="")
        try:
            parser.read(path, encoding="utf-8")
        except (IniError, UnicodeDecodeError):
            _refuse(f"{path} cannot be read")
        if parser.has_section(name):
            return dict(_parameter(*each) for each in parser.items(name))
    _refuse(f"there is no service {name} in {' or '.join(map(str, paths))}")


def read_database_url(url: str) -> DatabaseURL:
    """Split a URL as libpq does.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS

    Raises:
        ValueError: it is not the URL of a Postgres database, or has a parameter that one of the
            drivers does not support. The text does not show it.
    """
    with _said_of(NAME):
        return _read(url)


def _read(url: str) -> DatabaseURL:
    if hint := hint_on("it", url.strip()):
        _refuse(hint.removesuffix("."))
    scheme, separator, rest = url.strip().partition("://")
    driver = _DRIVERS.get(scheme.lower())
    if not separator or driver is None:
        _refuse(
            "it takes postgresql://user:password@host:5432/name, where postgres:// and "
            "postgresql+asyncpg:// are allowed too"
        )
    place, _, query = rest.partition("?")
    authority, _, name = place.partition("/")
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    if "@" in name + query or "/" in name:
        _refuse(f"a part of it is not clear. {_ENCODE}")
    places = [_host_and_port(each) for each in hosts.split(",")]
    host = ",".join(each for each, _ in places)
    port = ",".join(each for _, each in places)
    if port.strip(",") and len(places) > 1:
        port = ",".join(each or str(DEFAULT_PORT) for _, each in places)
    port = port.strip(",")
    parameters = {
        "host": host,
        "port": port,
        "user": _decoded(user),
        "password": _decoded(password),
        "dbname": _decoded(name),
    }
    given = {name: value for name, value in parameters.items() if value} | _parameters(query)
    if service := given.pop("service", ""):
        given = _service(service) | given
    return _checked(given, driver)


def _host_and_port(text: str) -> tuple[str, str]:
    """A host may be in brackets, and have a port."""
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            _refuse(f"its host has a bracket without the other one. {_ENCODE}")
        return host, port[1:]
    host, _, port = text.partition(":")
    return _decoded(host), port


def _parameters(query: str) -> dict[str, str]:
    found = {}
    for parameter in filter(None, query.split("&")):
        name, assigned, value = parameter.partition("=")
        if not assigned or not name.isidentifier():
            _refuse(f"a parameter of it is not name=value. {_ENCODE}")
        name, value = _parameter(name, _decoded(value))
        found[name] = value
    return found


def _parameter(name: str, value: str) -> tuple[str, str]:
    if name == "ssl":  # as JDBC and asyncpg write it
        return "sslmode", {"true": "require", "false": "disable"}.get(value, value)
    if name in _INSTEAD:
        _refuse(f"its parameter {name} is not one of Postgres: {_INSTEAD[name]}")
    known = {*_SETTINGS, *Address.OPTIONS, "service", _ROLE}
    if name not in known:
        known_names = ", ".join(sorted(known - {"password"}))
        _refuse(f"its parameter {name} is not supported. It takes {known_names}")
    return name, value


def _checked(parameters: Mapping[str, str], driver: Mapping[str, str]) -> DatabaseURL:
    given = {name: value for name, value in parameters.items() if value}
    for name, value in given.items():
        if name != "password" and not is_printable(value):
            _refuse(f"its {name} has a control character, such as a line break")
    if "\0" in given.get("password", ""):
        _refuse("its password has a NUL")
    if given.get("sslmode", "prefer") not in get_args(SSLMode):
        _refuse(f"its sslmode is not one of {', '.join(get_args(SSLMode))}")
    for name in ("port", "connect_timeout"):
        try:
            require_ports(given.get(name, "1"))
        except ValueError:
            _refuse(f"its {name} is not a number from 1 to 65535. {_ENCODE}")
    try:
        require_hosts(given.get("host", ""))
    except ValueError:
        _refuse(f"its host is not one. {_ENCODE}")
    role = given.pop(_ROLE, "")
    if role not in ("", "any", "primary", "read-write"):
        _refuse(f"its {_ROLE} is {role}, but session() writes. Set DB_READ_HOST for replicas")
    if "host" in given:
        given.setdefault("port", str(DEFAULT_PORT))
    return DatabaseURL(
        values=dict(driver)
        | {_SETTINGS[name]: value for name, value in given.items() if name in _SETTINGS},
        options={name: value for name, value in given.items() if name not in _SETTINGS},
        role=PRIMARY if role in ("primary", "read-write") else "",
    )


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
        decoded.encode()
    except UnicodeError:
        _refuse("a percent-encoded character of it is not UTF-8")
    if "%" in text and any(not _is_hex(part[:2]) for part in text.split("%")[1:]):
        _refuse("a percent sign of it is not followed by two hexadecimal digits: write %25 for it")
    return decoded


def _is_hex(text: str) -> bool:
    return len(text) == 2 and all(each in "0123456789abcdefABCDEF" for each in text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


@contextmanager
def _said_of(name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
