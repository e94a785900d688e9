"""Where a database is and how to log in, in the words of each driver."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import uuid4

from sqlalchemy import URL

from .keepalive import LIBPQ_OPTIONS, asyncpg_connection
from .tls import SSLMode, tls_of

LOOPBACK = ("127.0.0.1", "::1", "localhost")
CONNECT_TIMEOUT = 10  # seconds

# https://docs.sqlalchemy.org/en/21/dialects/postgresql.html#prepared-statement-name-with-pgbouncer
_UNPREPARED_ASYNCPG: dict[str, Any] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: f"__asyncpg_{uuid4()}__",
}


@dataclass(frozen=True, slots=True)
class Address:
    """One database on one server. A host that starts with "/" is a unix socket's directory."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str
    sslmode: SSLMode = "prefer"
    sslrootcert: str = ""

    def __str__(self) -> str:
        """The address for people: no password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f'database "{self.name}" on {host}:{self.port} as "{self.user}"'

    def replaced(self, **changes: Any) -> Self:
        """The same address with those changes that are not empty."""
        return replace(self, **{name: value for name, value in changes.items() if value})

    @property
    def socket_directory(self) -> str | None:
        """The directory of the unix socket, where the host is one."""
        return self.host if self.host.startswith("/") else None

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the server is, as far as the host tells. A tunnel looks the same."""
        return self.host in LOOPBACK or self.socket_directory is not None

    def url(self, driver: str) -> URL:
        """The URL for SQLAlchemy. A socket's directory stands in the query: in the host's place
        it would be taken for no host at all, which is 127.0.0.1:5432.
        """
        return URL.create(
            f"postgresql+{driver}",
            username=self.user,
            password=self.password,
            host=None if self.socket_directory else self.host,
            port=self.port,
            database=self.name,
            query={"host": self.socket_directory} if self.socket_directory else {},
        )

    def connect_args(
        self, driver: str, server_settings: Mapping[str, str], *, pooled: bool = False
    ) -> dict[str, Any]:
        """What `create_engine(connect_args=...)` needs beside the URL: TLS, time limits and
        settings of the session, such as `application_name`. With `pooled`, sessions may change
        between transactions, so nothing is prepared in them.

        Raises:
            ConfigurationError: the root certificate cannot be read.
        """
        if driver == "asyncpg":
            return {
                "ssl": tls_of(self.sslmode, self.sslrootcert),
                "timeout": CONNECT_TIMEOUT,
                "connection_class": asyncpg_connection(),
                "server_settings": dict(server_settings),
                **(_UNPREPARED_ASYNCPG if pooled else {}),
            }
        arguments: dict[str, Any] = {
            "sslmode": self.sslmode,
            "connect_timeout": CONNECT_TIMEOUT,
            **LIBPQ_OPTIONS,
        }
        if pooled and driver == "psycopg":
            arguments["prepare_threshold"] = None
        options = dict(server_settings)
        if "application_name" in options:  # libpq knows it; poolers refuse options
            arguments["application_name"] = options.pop("application_name")
        if options:
            arguments["options"] = " ".join(f"-c {key}={value}" for key, value in options.items())
        if self.sslrootcert:
            arguments["sslrootcert"] = self.sslrootcert
        elif self.sslmode == "verify-full":
            arguments["sslrootcert"] = "system"
        return arguments
