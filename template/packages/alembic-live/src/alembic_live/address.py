"""Where a database is and how to log in, in the terms of each driver."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args
from urllib.parse import quote

from alembic_live.errors import ConfigurationError
from alembic_live.keepalive import LIBPQ_OPTIONS, asyncpg_connection
from alembic_live.passwords import ChangingPassword
from alembic_live.tls import TLS, SSLMode

if TYPE_CHECKING:
    from sqlalchemy import URL

LOOPBACK = ("127.0.0.1", "::1", "localhost")
CONNECT_TIMEOUT = 10  # seconds
ONE_OF_SEVERAL_TIMEOUT = 3  # seconds for each host, so that a dead one delays little
PRIMARY = "primary"
DEFAULT_PORT = 5432

# The names of the drivers for `uv add`.
PACKAGES = {"asyncpg": "asyncpg", "psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}
FORM = "postgresql+asyncpg://user:password@host:5432/name"


@dataclass(frozen=True, slots=True)
class Address:
    """One database on one server, and the driver that connects to it. A host that starts with "/"
    is the directory of a unix socket. An empty host, user or password is the driver's default.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str
    sslmode: SSLMode = "prefer"
    sslrootcert: str = ""
    driver: str = "asyncpg"  # SQLAlchemy's name
    query: Mapping[str, str] = field(default_factory=dict)  # other parameters of the URL
    options: Mapping[str, str] = field(default_factory=dict)  # of libpq, by the names in OPTIONS
    # Other connect_args, whose values may be equal and not compare so.
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    sslcert: str = ""  # of the client, to log in with
    sslkey: str = ""
    further: tuple[tuple[str, int], ...] = ()  # hosts and ports, if the server has several
    role: str = ""  # of the server that connections want: libpq's target_session_attrs
    set_role: str = ""  # the role that each session takes on; empty if it is the user
    # The first schema on the search path of migrations; empty if that is as the server sets it.
    default_schema: str = field(default="", compare=False)
    # Is asked for the password of each connection, instead of `password`.
    password_source: ChangingPassword | None = field(default=None, repr=False, compare=False)
    origin: str = field(
        default="", compare=False
    )  # where a URL or an engine is given; empty for the DB_* settings

    OPTIONS: ClassVar = (
        "application_name",
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "options",
    )

    @classmethod
    def from_url(cls, url: URL | str, origin: str = "the URL of the database") -> Self:
        """The address in a SQLAlchemy URL. What it leaves out comes from libpq's variables, such as
        PGHOST, as the drivers do it.

        Args:
            url: the URL.
            origin: where it is given, for messages.

        Raises:
            ConfigurationError: it is not the URL of a Postgres database, or its driver is not
                installed. The text does not show it.
        """
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):  # the text may quote the password
            raise ConfigurationError(
                f"SQLAlchemy cannot read {origin}. Its form is {FORM}"
            ) from None
        driver = driver_of(parsed, origin)
        query = {
            name: value if isinstance(value, str) else ",".join(value)
            for name, value in parsed.query.items()
        }
        sslmode: Any = query.pop("sslmode", "") or query.pop("ssl", "") or "prefer"
        if sslmode not in get_args(SSLMode):
            raise ConfigurationError(
                f"{_capital(origin)} has sslmode={sslmode}. It takes {', '.join(get_args(SSLMode))}."
            )
        host = query.pop("host", "") or parsed.host or os.environ.get("PGHOST", "")
        if "," in host:
            raise ConfigurationError(
                f"{_capital(origin)} names several hosts. Name the primary alone: migrations write."
            )
        user = parsed.username or os.environ.get("PGUSER", "")
        return cls(
            host=host,
            port=parsed.port
            or _port(query.pop("port", "") or os.environ.get("PGPORT", ""), origin),
            user=user,
            password=str(parsed.password or os.environ.get("PGPASSWORD", "")),
            name=parsed.database or os.environ.get("PGDATABASE", "") or user,
            sslmode=sslmode,
            sslrootcert=query.pop("sslrootcert", ""),
            sslcert=query.pop("sslcert", ""),
            sslkey=query.pop("sslkey", ""),
            driver=driver,
            query=query,
            origin=origin,
        )

    def __str__(self) -> str:
        """The address for people, without the password."""
        role = f' in role "{self.set_role}"' if self.set_role else ""
        return f'database "{self.name}" on {self.where} as "{self.user}"{role}'

    @property
    def owner(self) -> str:
        """The role that owns what a session creates."""
        return self.set_role or self.user

    @property
    def sets_search_path(self) -> bool:
        """Whether `options` in its URL set the search path, such as `-csearch_path=sales`."""
        given = [*(self.options.values()), *(self.query.values())]
        return any("search_path" in value for value in given)

    @property
    def where(self) -> str:
        """The hosts and ports for people."""
        return " or ".join(map(_shown, self.hosts))

    @property
    def hosts(self) -> list[tuple[str, int]]:
        """Every host with its port."""
        return [(self.host, self.port), *self.further]

    @property
    def each(self) -> list[Self]:
        """An address for each host."""
        return [replace(self, host=host, port=port, further=()) for host, port in self.hosts]

    @property
    def timeout(self) -> int:
        """The seconds that connecting to one host may take."""
        default = ONE_OF_SEVERAL_TIMEOUT if self.further else CONNECT_TIMEOUT
        return int(self.options.get("connect_timeout", default))

    def replaced(self, **changes: Any) -> Self:
        """The same address with those changes that are not empty."""
        return replace(self, **{name: value for name, value in changes.items() if value})

    def require_options_of_driver(self) -> None:
        """
        Raises:
            ConfigurationError: the driver does not support a value in `options`.
        """
        for name in ("channel_binding", "gssencmode"):
            if self.driver == "asyncpg" and self.options.get(name) == "require":
                raise ConfigurationError(
                    f"{name} is require in {self.origin}, and asyncpg does not support it. Remove it, "
                    "or use psycopg: set DB_DRIVER_ASYNC=psycopg."
                )

    def current_password(self) -> str:
        """The password for a new connection; empty if there is none.

        Raises:
            ConfigurationError: what is asked for it does not have it.
        """
        return self.password_source.for_address(self) if self.password_source else self.password

    @property
    def tls(self) -> TLS:
        """How connections are encrypted."""
        return TLS(self.sslmode, self.sslrootcert, self.sslcert, self.sslkey, self.origin)

    @property
    def socket_directory(self) -> str | None:
        """The directory of the unix socket, if the host is one."""
        return self.host if self.host.startswith("/") else None

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the host is this machine. A tunnel to another one looks the same."""
        return all(host in ("", *LOOPBACK) or host.startswith("/") for host, _ in self.hosts)

    @property
    def url(self) -> URL:
        """The URL for SQLAlchemy. The directory of a socket is in the query: SQLAlchemy reads a
        host that is empty as 127.0.0.1.
        """
        from sqlalchemy import URL

        socket = {"host": self.socket_directory} if self.socket_directory else {}
        return URL.create(
            f"postgresql+{self.driver}",
            username=self.user or None,
            password=self.password or None,
            host=None if self.socket_directory else self.host or None,
            port=self.port,
            database=self.name or None,
            query={**self.query, **socket},
        )

    @property
    def url_options(self) -> dict[str, str]:
        """The values for a URL that is written as
        `postgresql+%(DB_DRIVER)s://%(DB_USER)s:%(DB_PASSWORD)s@%(DB_HOST)s:%(DB_PORT)s/%(DB_NAME)s%(DB_QUERY)s`
        in alembic.ini.

        Two parsers read a value. It is percent-encoded for the URL, and then each percent sign is
        doubled for ConfigParser.

        Raises:
            ConfigurationError: SQLAlchemy 2.0 cannot read the name of the database in a URL.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        socket = self.socket_directory
        options = {
            "DB_DRIVER": self.driver,
            "DB_USER": _encode(self.user),
            "DB_PASSWORD": _encode(self.password),
            "DB_HOST": "" if socket else host,
            "DB_PORT": str(self.port),
            "DB_NAME": self._name_in_url,
            "DB_QUERY": f"?host={_encode(socket)}" if socket else "",
        }
        return {name: value.replace("%", "%%") for name, value in options.items()}

    @property
    def _name_in_url(self) -> str:
        """The name of the database in a URL. SQLAlchemy 2.0 does not decode it, 2.1 does."""
        from sqlalchemy import make_url

        if make_url("postgresql+asyncpg:///%61").database == "a":
            return _encode(self.name)
        if "?" in self.name:
            raise ConfigurationError(
                f"SQLAlchemy 2.0 cannot read a URL whose database has a question mark in its name: "
                f"{self.name}. Install SQLAlchemy 2.1 or give the database another name."
            )
        return self.name

    def connect_args(
        self, server_settings: Mapping[str, str], *, pooled: bool = False
    ) -> dict[str, Any]:
        """`create_engine(connect_args=…)` for this address: TLS, time limits, and settings of the
        session such as `application_name`.

        Args:
            server_settings: by their names.
            pooled: whether a pooler may change the session between transactions, so that
                statements cannot be prepared.

        Raises:
            ConfigurationError: the root certificate cannot be read.
        """
        own = dict(self.arguments)
        role = {"target_session_attrs": self.role} if self.role else {}
        if self.driver == "asyncpg":
            chosen = {
                "ssl": self.tls.for_asyncpg,
                "timeout": self.timeout,
                **role,
                "connection_class": asyncpg_connection(),
                **(_without_prepared_statements() if pooled else {}),
            }
            # The server reads `options` itself.
            of_libpq = {
                n: v for n, v in self.options.items() if n in ("application_name", "options")
            }
            settings = {**own.pop("server_settings", {}), **server_settings, **of_libpq}
            return self._unless_in_url(chosen) | own | {"server_settings": settings}
        arguments: dict[str, Any] = {
            **self.tls.for_libpq,
            **LIBPQ_OPTIONS,
            **self.options,
            "connect_timeout": self.timeout,
            **role,
        }
        if pooled and self.driver == "psycopg":
            arguments["prepare_threshold"] = None
        options = dict(server_settings)
        if "application_name" in options:  # a parameter of libpq; poolers refuse `options`
            name = options.pop("application_name")
            arguments.setdefault("application_name", name)
        arguments = self._unless_in_url(arguments) | own
        if options:
            given = own.get("options") or {**self.options, **self.query}.get("options", "")
            ours = [f"-c {key}={_escape(value)}" for key, value in options.items()]
            arguments["options"] = " ".join(filter(None, [*ours, given]))
        return arguments

    def _unless_in_url(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Without those that the URL has a value for, which connect_args would override."""
        return {name: value for name, value in arguments.items() if name not in self.query}


def driver_of(url: URL, origin: str) -> str:
    """SQLAlchemy's name of the driver that a URL names, such as `asyncpg`.

    Raises:
        ConfigurationError: it is not one for Postgres, or not installed.
    """
    from sqlalchemy.exc import ArgumentError

    wanted = "postgresql+asyncpg, postgresql+psycopg or postgresql+psycopg2"
    try:
        driver = url.get_dialect().driver.removesuffix("_async")
    except (ArgumentError, ImportError):
        driver = ""
    if url.get_backend_name() != "postgresql":
        raise ConfigurationError(
            f"{_capital(origin)} names {url.drivername}. alembic-live needs Postgres: {wanted}."
        )
    if driver not in PACKAGES:
        raise ConfigurationError(
            f"{_capital(origin)} names {url.drivername}, a driver that alembic-live does not know. Use "
            f"{wanted}."
        )
    if find_spec(driver) is None:
        default = " (the default, because it names none)" if "+" not in url.drivername else ""
        raise ConfigurationError(
            f"{_capital(origin)} names the driver {driver}{default}, which is not installed. Install "
            f"it with `uv add '{PACKAGES[driver]}'`, or name another one: {wanted}."
        )
    return driver


def _without_prepared_statements() -> dict[str, Any]:
    """https://docs.sqlalchemy.org/en/21/dialects/postgresql.html#prepared-statement-name-with-pgbouncer"""
    from uuid import uuid4

    return {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"__asyncpg_{uuid4()}__",
    }


def _port(text: str, origin: str) -> int:
    if text and not (text.isdigit() and 0 < int(text) < 65536):
        raise ConfigurationError(f"{_capital(origin)} names port {text}. It takes 1 to 65535.")
    return int(text or DEFAULT_PORT)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("the ") else text


def _shown(place: tuple[str, int]) -> str:
    host, port = place
    if not host:
        return f"the local socket, port {port},"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _escape(value: str) -> str:
    """https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS"""
    return value.replace("\\", r"\\").replace(" ", r"\ ")


def _encode(value: str) -> str:
    return quote(value, safe="")
