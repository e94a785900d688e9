"""The settings: the only reader of the environment.

A value comes from the environment, else from `.env` in the project's folder, else from a file
of the setting's name in the secrets directory (`/run/secrets`, or what SECRETS_DIR names).
Add a field for each setting of your own; the DB_* fields are the template's.
"""

import os
import re
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from .database.address import Address
from .database.tls import SSLMode
from .errors import ConfigurationError
from .paths import PROJECT_ROOT
from .printable import is_printable

ENV_FILE = PROJECT_ROOT / ".env"
SECRETS_DIR = Path(os.environ.get("SECRETS_DIR", "/run/secrets"))

# What `uv add` calls the drivers.
_PACKAGES = {"asyncpg": "asyncpg", "psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}


def _require_host(value: str) -> str:
    """A value with a port, a password or a whole URL in it would lead somewhere else."""
    if value and not value.startswith("/"):
        with suppress(ValueError):
            ip_address(value)
            return value
        if not re.fullmatch(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?", value) or len(value) > 253:
            raise ValueError(
                "it takes a host name, an IP address without brackets, or the directory of a unix "
                "socket, and nothing besides"
            )
    return value


def _require_plain(value: str) -> str:
    """A name ends up in SQL, in comments and on terminals, where a line break begins something new."""
    if not is_printable(value):
        raise ValueError("it takes no control characters, such as a line break")
    return value


def _require_no_nul(value: SecretStr) -> SecretStr:
    if "\0" in value.get_secret_value():
        raise ValueError("it takes every character but NUL")
    return value


def _number(low: int, high: int) -> WrapValidator:
    """Says what a setting takes, in place of pydantic's words about what it is given."""

    def validate(value: Any, convert: ValidatorFunctionWrapHandler) -> Any:
        try:
            number = convert(value)
        except ValidationError:
            number = None
        if number is None or not low <= number <= high:
            raise ValueError(f"it takes a number from {low} to {high}")
        return number

    return WrapValidator(validate)


Plain = Annotated[str, AfterValidator(_require_plain)]
Password = Annotated[SecretStr, AfterValidator(_require_no_nul)]
Host = Annotated[Plain, AfterValidator(_require_host)]
Port = Annotated[int, _number(1, 65535)]
Seconds = Annotated[float, _number(0, 86_400)]


class Settings(BaseSettings):
    """Values as they were given: nothing is required here, so importing the package is free.

    An empty value counts as none. What needs the database asks for an address, and that
    names everything that is missing.
    """

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        # Errors show what was wrong with a value, never the value: it may be a password.
        hide_input_in_errors=True,
        secrets_dir=SECRETS_DIR if os.path.isdir(SECRETS_DIR) else None,
    )

    # Settings of your own go above this line, where an update changes nothing.

    DB_HOST: Host = ""
    DB_PORT: Port | None = None
    DB_USER: Plain = ""
    DB_PASSWORD: Password = SecretStr("")
    DB_NAME: Plain = ""
    DB_SSLMODE: SSLMode = "prefer"
    DB_SSLROOTCERT: Plain = ""

    DB_DRIVER_ASYNC: Literal["asyncpg", "psycopg"] = "asyncpg"
    DB_DRIVER_SYNC: Literal["", "psycopg", "psycopg2"] = ""

    DB_MIGRATION_HOST: Host = ""
    DB_MIGRATION_PORT: Port | None = None
    DB_MIGRATION_USER: Plain = ""
    DB_MIGRATION_PASSWORD: Password = SecretStr("")

    DB_POOLER: Literal["", "session", "transaction"] = ""

    DB_MIGRATION_LOCK_TIMEOUT: Seconds = 600
    DB_MIGRATION_LOCK_WAIT: Seconds = 3
    DB_MIGRATION_LOCK_RETRIES: Annotated[int, _number(0, 1000)] = 10
    DB_MIGRATION_STATEMENT_TIMEOUT: Seconds = 0
    DB_MIGRATION_AHEAD: Literal["fail", "warn"] = "fail"

    @property
    def address(self) -> Address:
        """Where the application finds its database.

        Raises:
            ConfigurationError: DB_* settings are missing, and the text names every one, or they
                do not go together.
        """
        missing = [
            name
            for name, value in (
                ("DB_HOST", self.DB_HOST),
                ("DB_PORT", self.DB_PORT),
                ("DB_USER", self.DB_USER),
                ("DB_PASSWORD", self.DB_PASSWORD.get_secret_value()),
                ("DB_NAME", self.DB_NAME),
            )
            if not value
        ]
        if missing or self.DB_PORT is None:
            raise ConfigurationError(
                f"{_enumerate(missing)} {'is' if len(missing) == 1 else 'are'} not set. "
                "Run `uv run db start` for a local Postgres (it fills in .env), or set "
                f"{'it' if len(missing) == 1 else 'them'} in the environment, in {ENV_FILE} "
                f"(.env.example shows how), or as files in {SECRETS_DIR}."
            )
        if self.DB_SSLMODE == "verify-ca" and not self.DB_SSLROOTCERT:
            raise ConfigurationError(
                "DB_SSLMODE is verify-ca, which needs DB_SSLROOTCERT: the file of the certificate "
                "that the server's is signed with. verify-full can do with the system's."
            )
        return Address(
            host=self.DB_HOST,
            port=self.DB_PORT,
            user=self.DB_USER,
            password=self.DB_PASSWORD.get_secret_value(),
            name=self.DB_NAME,
            sslmode=self.DB_SSLMODE,
            sslrootcert=self.DB_SSLROOTCERT,
        )

    @property
    def migration_address(self) -> Address:
        """Where migrations find it: straight to the server, as the role that owns the schema.

        Raises:
            ConfigurationError: as for `address`; or only a pooler's address is known.
        """
        if self.DB_POOLER == "transaction" and not (
            self.DB_MIGRATION_HOST or self.DB_MIGRATION_PORT
        ):
            raise ConfigurationError(
                "DB_POOLER is transaction, so DB_HOST and DB_PORT lead to a pooler, which "
                "migrations cannot go through. Set DB_MIGRATION_HOST or DB_MIGRATION_PORT, or "
                "both, to reach the Postgres server itself."
            )
        return self.address.replaced(
            host=self.DB_MIGRATION_HOST,
            port=self.DB_MIGRATION_PORT,
            user=self.DB_MIGRATION_USER,
            password=self.DB_MIGRATION_PASSWORD.get_secret_value(),
        )

    @property
    def migration_driver(self) -> str:
        """SQLAlchemy's name of the driver that migrations use.

        Raises:
            ConfigurationError: it is not installed.
        """
        driver = self.DB_DRIVER_SYNC or self.DB_DRIVER_ASYNC
        if find_spec(driver) is None:
            name = "DB_DRIVER_SYNC" if self.DB_DRIVER_SYNC else "DB_DRIVER_ASYNC"
            raise ConfigurationError(
                f"{name} is {driver}, which is not installed. Install it with "
                f"`uv add '{_PACKAGES[driver]}'`, or choose another driver."
            )
        return driver


def load_settings(**values: Any) -> Settings:
    """Read the settings anew; values that are given here come before all others.

    Raises:
        ConfigurationError: a value is wrong; the text names the setting, not the value.
    """
    if "SECRETS_DIR" in os.environ and not os.path.isdir(SECRETS_DIR):
        raise ConfigurationError(f"SECRETS_DIR is {SECRETS_DIR}, and there is no such folder.")
    try:
        return Settings(**values)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: "
            + problem["msg"].removeprefix("Value error, ").replace("Input should be", "it takes")
            for problem in error.errors()
        )
        raise ConfigurationError(
            f"A setting is wrong. {wrong}. Correct it in the environment, in {ENV_FILE} or in "
            f"{SECRETS_DIR}; .env.example shows what each takes."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{ENV_FILE} cannot be read: {error}") from None


def _enumerate(names: list[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


settings = load_settings()
