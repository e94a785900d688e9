"""The DB_* settings of a service, and the only reader of them.

A value comes from the environment, else from the `.env` file that the service names, else from a
file with the setting's name in the secrets directory (`/run/secrets`, or what SECRETS_DIR names).
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from alembic_live.address import Address
from alembic_live.database_url import NAME, DatabaseURL, read_elsewhere
from alembic_live.errors import ConfigurationError
from alembic_live.hints import hint_on
from alembic_live.host import require_hosts, require_ports
from alembic_live.limits import Limits, PoolSize
from alembic_live.passwords import files_of
from alembic_live.printable import is_printable
from alembic_live.tls import SSLMode
from alembic_live.values import Values

DEFAULT_SECRETS_DIR = "/run/secrets"


def _require_plain(value: str) -> str:
    """A name is written into SQL, comments and terminals, where a line break starts a new line."""
    if not is_printable(value):
        raise ValueError("it takes no control characters, such as a line break")
    return value


def _require_no_nul(value: SecretStr) -> SecretStr:
    if "\0" in value.get_secret_value():
        raise ValueError("it takes every character except NUL")
    return value


def _number(low: int, high: int) -> WrapValidator:
    """Says which values a setting takes, where pydantic would describe the type."""

    def validate(value: Any, convert: ValidatorFunctionWrapHandler) -> Any:
        try:
            number = convert(value)
        except ValidationError:
            number = None
        if number is None or not low <= number <= high:
            raise ValueError(f"it takes a number from {low} to {high}")
        return number

    return WrapValidator(validate)


def _port(value: Any) -> int | str:
    ports = require_ports(str(value).strip())
    return ports if "," in ports else int(ports)


POOL = PoolSize()

Plain = Annotated[str, AfterValidator(_require_plain)]
Password = Annotated[SecretStr, AfterValidator(_require_no_nul)]
Host = Annotated[Plain, AfterValidator(require_hosts)]
Port = Annotated[int | str, BeforeValidator(_port)]  # or several with commas
Seconds = Annotated[float, _number(0, 86_400)]


class DatabaseSettings(BaseSettings):
    """The DB_* settings as they were given. Derive from it to add your own settings, and to name
    the `.env` file in `model_config`.

    No setting is required here, so that importing a service's package needs no database. What
    connects asks for an address, which names every setting that is missing. An empty value counts
    as no value.
    """

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        # An error says what is wrong with a value and does not show it: it may be a password.
        hide_input_in_errors=True,
    )

    DATABASE_URL: SecretStr = SecretStr("")
    DB_SERVICE: Plain = ""

    DB_HOST: Host = ""
    DB_PORT: Port | None = None
    DB_USER: Plain = ""
    DB_PASSWORD: Password = SecretStr("")
    DB_PASSWORD_COMMAND: Password = SecretStr("")
    DB_NAME: Plain = ""
    DB_SSLMODE: SSLMode = "prefer"
    DB_SSLROOTCERT: Plain = ""
    DB_SSLCERT: Plain = ""
    DB_SSLKEY: Plain = ""

    DB_DRIVER_ASYNC: Literal["asyncpg", "psycopg"] = "asyncpg"
    DB_DRIVER_SYNC: Literal["", "psycopg", "psycopg2"] = ""

    DB_READ_HOST: Host = ""
    DB_READ_PORT: Port | None = None

    DB_MIGRATION_HOST: Host = ""
    DB_MIGRATION_PORT: Port | None = None
    DB_MIGRATION_USER: Plain = ""
    DB_MIGRATION_PASSWORD: Password = SecretStr("")
    DB_MIGRATION_ROLE: Plain = ""

    DB_POOLER: Literal["", "none", "session", "transaction"] = ""
    DB_MIGRATION_POOLER: Literal["", "none", "session"] = ""

    DB_POOL_SIZE: Annotated[int, _number(1, 10_000)] = POOL.size
    DB_POOL_OVERFLOW: Annotated[int, _number(0, 10_000)] = POOL.overflow
    DB_POOL_TIMEOUT: Seconds = POOL.timeout
    DB_POOL_RECYCLE: Seconds = POOL.recycle

    DB_MIGRATION_LOCK_TIMEOUT: Seconds = 600
    DB_MIGRATION_LOCK_WAIT: Seconds = 3
    DB_MIGRATION_LOCK_RETRIES: Annotated[int, _number(0, 1000)] = 10
    DB_MIGRATION_STATEMENT_TIMEOUT: Seconds = 0
    DB_MIGRATION_AHEAD: Literal["fail", "warn"] = "fail"

    _url: DatabaseURL | None = PrivateAttr(default=None)
    # A password may change while the service runs. Its file is known by what it has now.
    _files: dict[str, Path] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _complete(cls, values: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Take from DATABASE_URL and the service what the DB_* settings leave out."""
        url = None
        if isinstance(values, dict):
            plain = {name: _plain(value) for name, value in values.items()}
            if cls.model_fields[NAME].annotation is not SecretStr:  # a service's own field
                plain.pop(NAME, None)
            url = read_elsewhere(plain)
        if url is not None:
            own = {name: values[name] for name in url.values if plain.get(name)}
            values = {**values, **url.values, **own}
        self = validate(values)
        self._url = url
        self._files = files_of(self.given, cls.secrets_dir())
        return self

    @classmethod
    def load(cls, **values: Any) -> Self:
        """Read the settings. Values that are given here take precedence over all others.

        Raises:
            ConfigurationError: a value is wrong; the text names the setting and not the value.
        """
        secrets = cls.secrets_dir()
        if "SECRETS_DIR" in os.environ and not secrets.is_dir():
            raise ConfigurationError(f"SECRETS_DIR is {secrets}, which is not a folder.")
        values.setdefault("_secrets_dir", secrets if secrets.is_dir() else None)
        try:
            return cls(**values)
        except ValidationError as error:
            hints = "".join(
                f"{hint} "
                for problem in error.errors()
                if (hint := hint_on(str([*problem["loc"], ""][0]), problem["input"]))
            )
            wrong = "; ".join(
                (f"{'.'.join(map(str, problem['loc']))}: " if problem["loc"] else "")
                + problem["msg"]
                .removeprefix("Value error, ")
                .replace("Input should be", "it takes")
                for problem in error.errors()
            )
            raise ConfigurationError(
                f"A setting is wrong. {wrong}. {hints}Correct it in {cls._sources()}; .env.example shows "
                "the values that each setting takes."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{cls.env_file()} cannot be read: {error}") from None

    @classmethod
    def env_file(cls) -> Path | None:
        """The `.env` file, if the class names one."""
        file = cls.model_config.get("env_file")
        return Path(file) if isinstance(file, (str, Path)) else None

    @staticmethod
    def secrets_dir() -> Path:
        """The folder that has a file for each secret."""
        return Path(os.environ.get("SECRETS_DIR", DEFAULT_SECRETS_DIR))

    @classmethod
    def _sources(cls) -> str:
        file = cls.env_file()
        return f"the environment, {f'in {file} ' if file else ''}or in {cls.secrets_dir()}"

    @property
    def address(self) -> Address:
        """The address that the application connects to.

        Raises:
            ConfigurationError: DB_* settings are missing, and the text names all of them; or they
                contradict each other.
        """
        return self._values.address

    @property
    def migration_address(self) -> Address:
        """The address for migrations: the server without a pooler, as the role that owns the schema.

        Raises:
            ConfigurationError: as for `address`; or only a pooler's address is known,
                or the driver is not installed.
        """
        return self._values.migration_address

    @property
    def set_role(self) -> str:
        """The role that migrations take on after they have connected; empty if it is the user."""
        return self._values.set_role

    @property
    def read_address(self) -> Address | None:
        """The address of `read_session()`; None if it is the application's.

        Raises:
            ConfigurationError: as for `address`.
        """
        return self._values.read_address

    @property
    def pool(self) -> PoolSize:
        """The size of the application's connection pool."""
        return PoolSize(
            size=self.DB_POOL_SIZE,
            overflow=self.DB_POOL_OVERFLOW,
            timeout=self.DB_POOL_TIMEOUT,
            recycle=self.DB_POOL_RECYCLE,
        )

    @property
    def limits(self) -> Limits:
        """The limits of a migration."""
        return Limits(
            lock_timeout=self.DB_MIGRATION_LOCK_TIMEOUT,
            lock_wait=self.DB_MIGRATION_LOCK_WAIT,
            lock_retries=self.DB_MIGRATION_LOCK_RETRIES,
            statement_timeout=self.DB_MIGRATION_STATEMENT_TIMEOUT,
            ahead=self.DB_MIGRATION_AHEAD,
        )

    @property
    def database_url(self) -> DatabaseURL | None:
        """What DATABASE_URL says, if it is read: the DB_* settings have no whole address."""
        return self._url

    @property
    def given(self) -> dict[str, str]:
        """The DB_* settings that have a value, secrets included, as plain text."""
        names = [name for name in DatabaseSettings.model_fields if name.startswith("DB_")]
        given = {name: _plain(getattr(self, name)) for name in names}
        defaults = DatabaseSettings.model_fields
        return {
            name: value
            for name, value in given.items()
            if value
            and (name in self.model_fields_set or getattr(self, name) != defaults[name].default)
        }

    @property
    def _values(self) -> Values:
        file = self.env_file()
        return Values(
            self.given,
            self._url,
            self._files,
            f"in the environment, {f'in {file} (.env.example shows how), ' if file else ''}or as files "
            f"in {self.secrets_dir()}",
        )


def _plain(value: Any) -> str:
    """The text of a value, which may be a secret."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return "" if value is None else str(value)
