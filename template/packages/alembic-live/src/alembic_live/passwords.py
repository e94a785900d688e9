"""Passwords that change: each new connection asks for the current one."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from alembic_live.errors import ConfigurationError

COMMAND_TIMEOUT = 30  # seconds
KEPT = 300.0  # seconds for which the output of a command is kept; tokens of clouds last 15 minutes

# An answer may have the seconds for which it can be kept.
Answer = str | tuple[str, float]


class ChangingPassword:
    """A password that is asked for when a connection opens."""

    def __init__(self, ask: Callable[[Any], Answer], *, kept: float = 0) -> None:
        """
        Args:
            ask: returns the password for an Address, or the password and the seconds for which it
                can be kept.
            kept: the seconds, if `ask` does not say them.
        """
        self._ask, self._kept = ask, kept
        self._known: dict[object, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def for_address(self, address: Any) -> str:
        """The current password. Connections that open together ask once.

        Raises:
            ConfigurationError: there is none; the text says why.
        """
        key = (address.host, address.port, address.user, address.name)
        with self._lock:
            end, password = self._known.get(key, (0.0, ""))
            if time.monotonic() < end:
                return password
            answer = self._ask(address)
            password, kept = (answer, self._kept) if isinstance(answer, str) else answer
            self._known[key] = (time.monotonic() + kept, password)
            return password

    def forget(self, refused: str) -> None:
        """Ask again for the next connection, because the server has refused this password."""
        with self._lock:
            self._known = {k: kept for k, kept in self._known.items() if kept[1] != refused}


def of_file(path: Path) -> ChangingPassword:
    """The password in a file, such as a secret of Kubernetes, which is replaced in place."""

    def ask(_address: Any) -> str:
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"The password in {path} cannot be read: {error}") from None

    return ChangingPassword(ask)


def of_command(command: str) -> ChangingPassword:
    """What a shell command prints. It has the address in libpq's variables, such as PGHOST."""

    def ask(address: Any) -> str:
        import subprocess  # slow to import, and few need it

        try:
            done = subprocess.run(
                command,
                shell=True,
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_TIMEOUT,
                env=os.environ
                | {
                    "PGHOST": address.host,
                    "PGPORT": str(address.port),
                    "PGUSER": address.user,
                    "PGDATABASE": address.name,
                },
            )
        except subprocess.TimeoutExpired:
            raise ConfigurationError(
                f"DB_PASSWORD_COMMAND did not finish within {COMMAND_TIMEOUT} s."
            ) from None
        password = done.stdout.decode(errors="replace").rstrip("\r\n")
        if done.returncode != 0 or not password:
            problem = f"exits with {done.returncode}" if done.returncode else "prints nothing"
            raise ConfigurationError(f"DB_PASSWORD_COMMAND {problem}. Run it by itself to see why.")
        return password

    return ChangingPassword(ask, kept=KEPT)


def of_function(function: Callable[[Any], Answer]) -> ChangingPassword:
    """What a function of the project returns."""

    def ask(address: Any) -> Answer:
        try:
            return function(address)
        except ConfigurationError:
            raise
        except Exception as error:  # whose text may hold a password
            raise ConfigurationError(
                f"The function in Project(password=…) raises {type(error).__name__}. Call it by "
                "itself to see why."
            ) from error

    return ChangingPassword(ask)


def files_of(given: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """The files of secrets that have the passwords of the settings, by the names of the settings."""
    found = {}
    for name in ("DB_PASSWORD", "DB_MIGRATION_PASSWORD"):
        for path in (folder / name, folder / name.lower()):
            with suppress(OSError, UnicodeDecodeError):
                if given.get(name) and path.read_text(encoding="utf-8").strip() == given[name]:
                    found[name] = path
    return found
