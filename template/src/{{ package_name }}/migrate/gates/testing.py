"""Databases for tests. Inside each block the settings lead to the database it provides."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from pydantic import SecretStr
from sqlalchemy import Connection, text

from ...config import settings
from ...database.address import Address
from .. import databases
from ..command import run_command


@contextmanager
def empty_database(server: Address, name: str) -> Iterator[Address]:
    """A database with nothing in it, which is dropped afterwards."""
    address = server.replaced(name=name)
    databases.administer(server, lambda connection: databases.create(connection, name))
    try:
        with _settings_for(address):
            yield address
    finally:
        databases.administer(server, lambda connection: databases.drop(connection, name))


@contextmanager
def copied_database(server: Address, original: str, name: str) -> Iterator[Address]:
    """A copy of a database that nobody is connected to, which is dropped afterwards."""
    address = server.replaced(name=name)

    def copy(connection: Connection) -> None:
        _lock(connection, original)
        databases.create(connection, name, template=original)

    databases.administer(server, copy)
    try:
        with _settings_for(address):
            yield address
    finally:
        databases.administer(server, lambda connection: databases.drop(connection, name))


@contextmanager
def migrated_database(server: Address, name: str, *, copy: str) -> Iterator[Address]:
    """A copy of a migrated database. Processes that ask for copies of the same name share the
    original: the first of them makes and migrates it, the last one drops it.
    """
    address = server.replaced(name=f"{name}_{copy}")

    def make(connection: Connection) -> None:
        _lock(connection, name)
        if not databases.exists(connection, name):
            databases.create(connection, name)
            try:
                with _settings_for(server.replaced(name=name)):
                    run_command(command.upgrade, "heads")  # several are for a test to find
            except BaseException:
                databases.drop(connection, name)
                raise
        databases.create(connection, address.name, template=name)

    def drop(connection: Connection) -> None:
        _lock(connection, name)
        databases.drop(connection, address.name)
        copies = text("SELECT count(*) FROM pg_database WHERE starts_with(datname, :prefix)")
        if connection.scalar(copies, {"prefix": f"{name}_"}) == 0:
            databases.drop(connection, name)

    databases.administer(server, make)
    try:
        with _settings_for(address):
            yield address
    finally:
        databases.administer(server, drop)


def _lock(connection: Connection, name: str) -> None:
    """Wait while another process makes or drops databases of this name. The lock ends with the
    connection.
    """
    connection.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), {"name": name})


@contextmanager
def _settings_for(address: Address) -> Iterator[None]:
    """Let the settings lead to a database, for the application and for migrations."""
    values: dict[str, Any] = {
        "DB_HOST": address.host,
        "DB_PORT": address.port,
        "DB_USER": address.user,
        "DB_PASSWORD": SecretStr(address.password),
        "DB_NAME": address.name,
        "DB_SSLMODE": address.sslmode,
        "DB_SSLROOTCERT": address.sslrootcert,
        "DB_POOLER": "",
        "DB_MIGRATION_HOST": "",
        "DB_MIGRATION_PORT": None,
        "DB_MIGRATION_USER": "",
        "DB_MIGRATION_PASSWORD": SecretStr(""),
    }
    before = {name: getattr(settings, name) for name in values}
    for name, value in values.items():
        setattr(settings, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)
