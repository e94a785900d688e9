"""The values of the DB_* settings, and the addresses that they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alembic_live.address import PACKAGES, PRIMARY, Address
from alembic_live.database_url import ADDRESS, NAME, REQUIRED, DatabaseURL
from alembic_live.errors import ConfigurationError
from alembic_live.passwords import ChangingPassword, of_command, of_file
from alembic_live.tls import SYSTEM


@dataclass(frozen=True, slots=True)
class Values:
    """The settings that have a value, each of which is right by itself.

    Attributes:
        given: the values by the names of the settings, those of DATABASE_URL included.
        url: what DATABASE_URL or a service says, if it is read.
        files: the files that passwords come from, by the names of the settings.
        places: where settings are looked for, as the end of a sentence.
    """

    given: Mapping[str, str]
    url: DatabaseURL | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    places: str = "in the environment"

    @property
    def address(self) -> Address:
        """The address of the application.

        Raises:
            ConfigurationError: settings are missing, and the text names all of them; or they
                contradict each other.
        """
        get = self.given.get
        # Without a password, the server may know the user by the system, by a certificate or by a
        # file of passwords. Who has set nothing yet needs one.
        if not all(get(name) for name in REQUIRED):
            has_another = get("DB_PASSWORD_COMMAND") or get("DB_SSLCERT")
            names = REQUIRED if has_another else ADDRESS
            missing = [name for name in names if not get(name)]
            are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
            url = (
                f"{self.url.origin} leaves {them} out"
                if self.url
                else f"{NAME} can hold all of them"
            )
            raise ConfigurationError(
                f"{_enumerate(missing)} {are} not set. Run `uv run db start` for a local Postgres (it "
                f"fills in .env), or set {them} {self.places}. {url}."
            )
        if get("DB_SSLMODE") == "verify-ca" and not get("DB_SSLROOTCERT"):
            raise ConfigurationError(
                "DB_SSLMODE is verify-ca, which needs DB_SSLROOTCERT: the file with the "
                "certificate that signed the server's. verify-full can use the system's."
            )
        sslmode: Any = get("DB_SSLMODE")
        if get("DB_SSLROOTCERT") == SYSTEM:  # as libpq does it
            sslmode = sslmode or "verify-full"
            if sslmode not in ("verify-full", "disable"):
                raise ConfigurationError(
                    f"DB_SSLROOTCERT is {SYSTEM}, and DB_SSLMODE is {sslmode}. Set it to verify-full: "
                    "the system's authorities certify every host."
                )
        (host, port), *further = self._hosts("DB_HOST", "DB_PORT")
        address = Address(
            host=host,
            port=port,
            further=tuple(further),
            role=PRIMARY if further else self.url.role if self.url else "",
            user=self.given["DB_USER"],
            password=get("DB_PASSWORD", ""),
            name=self.given["DB_NAME"],
            sslmode=sslmode or "prefer",
            sslrootcert=get("DB_SSLROOTCERT", ""),
            sslcert=get("DB_SSLCERT", ""),
            sslkey=get("DB_SSLKEY", ""),
            driver=get("DB_DRIVER_ASYNC") or "asyncpg",
            options=self.url.options if self.url else {},
            password_source=self._password_source("DB_PASSWORD"),
            origin=self._origin(),
        )
        address.require_options_of_driver()
        return address

    @property
    def migration_address(self) -> Address:
        """The address for migrations.

        Raises:
            ConfigurationError: as for `address`; or only a pooler's address is known, or the driver
                is not installed.
        """
        get = self.given.get
        host, port = get("DB_MIGRATION_HOST", ""), get("DB_MIGRATION_PORT", "")
        if get("DB_POOLER") == "transaction" and not (host or port):
            raise ConfigurationError(
                "DB_POOLER is transaction: DB_HOST and DB_PORT are a pooler's, and migrations cannot "
                "go through it. Set DB_MIGRATION_HOST or DB_MIGRATION_PORT, or both, to reach the "
                "Postgres server itself."
            )
        address = self.address
        if host or port:
            names = (
                "DB_MIGRATION_HOST" if host else "DB_HOST",
                "DB_MIGRATION_PORT" if port else "DB_PORT",
            )
            (first, its_port), *further = self._hosts(*names)
            address = replace(
                address,
                host=first,
                port=its_port,
                further=tuple(further),
                role=PRIMARY if further else address.role,
            )
        address = address.replaced(
            user=get("DB_MIGRATION_USER"),
            password=get("DB_MIGRATION_PASSWORD"),
            driver=self._migration_driver(),
            set_role=self.set_role,
        )
        if get("DB_MIGRATION_PASSWORD"):
            source = self._password_source("DB_MIGRATION_PASSWORD")
            address = replace(address, password_source=source)
        address.require_options_of_driver()
        return address

    @property
    def set_role(self) -> str:
        """The role that migrations take on after they have connected; empty if it is the user."""
        role = self.given.get("DB_MIGRATION_ROLE", "")
        return "" if role == "none" else role  # which is Postgres's word for it

    @property
    def read_address(self) -> Address | None:
        """The address of `read_session()`, if it has another one.

        Raises:
            ConfigurationError: as for `address`.
        """
        if not (self.given.get("DB_READ_HOST") or self.given.get("DB_READ_PORT")):
            return None
        host = "DB_READ_HOST" if self.given.get("DB_READ_HOST") else "DB_HOST"
        port = "DB_READ_PORT" if self.given.get("DB_READ_PORT") else "DB_PORT"
        address, hosts = self.address, self._hosts(host, port)
        if hosts == address.hosts:
            return None
        (first, its_port), *further = hosts
        return replace(address, host=first, port=its_port, further=tuple(further), role="")

    def _hosts(self, host: str, port: str) -> list[tuple[str, int]]:
        hosts, ports = self.given[host].split(","), self.given[port].split(",")
        if len(ports) == 1:
            ports *= len(hosts)
        if len(hosts) != len(ports):
            raise ConfigurationError(
                f"{host} names {len(hosts)} hosts, and {port} {len(ports)} ports. Name one port for "
                "all hosts, or one for each."
            )
        return [(name, int(number)) for name, number in zip(hosts, ports, strict=True)]

    def _password_source(self, name: str) -> ChangingPassword | None:
        if name in self.files:
            return of_file(self.files[name])
        command = self.given.get("DB_PASSWORD_COMMAND")
        return of_command(command) if command and not self.given.get(name) else None

    def _migration_driver(self) -> str:
        sync = self.given.get("DB_DRIVER_SYNC")
        driver = sync or self.given.get("DB_DRIVER_ASYNC") or "asyncpg"
        if find_spec(driver) is None:
            raise ConfigurationError(
                f"{'DB_DRIVER_SYNC' if sync else 'DB_DRIVER_ASYNC'} is {driver}, which is not "
                f"installed. Install it with `uv add '{PACKAGES[driver]}'`, or choose another driver."
            )
        return driver

    def _origin(self) -> str:
        """What people call the place of the address; empty for the DB_* settings alone."""
        if self.url is None:
            return ""
        names = [*ADDRESS, *(f"DB_MIGRATION_{name[3:]}" for name in ADDRESS)]
        of_url = self.url.values.items()
        own = [
            name
            for name in names
            if (value := self.given.get(name)) and (name, value) not in of_url
        ]
        return f"{self.url.origin} and the DB_* settings" if own else self.url.origin


def _enumerate(names: list[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
