"""Databases for tests: empty databases, and copies of a migrated database."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from sqlalchemy import Connection, text

from alembic_live.address import Address
from alembic_live.postgres import databases
from alembic_live.postgres.connection import make_engine
from alembic_live.project import Project
from alembic_live.runtime.program import run_command


@contextmanager
def empty_database(server: Address, name: str) -> Iterator[Address]:
    """An empty database, which is dropped after the block."""
    databases.administer(server, lambda connection: databases.create(connection, name))
    try:
        yield server.replaced(name=name)
    finally:
        databases.administer(server, lambda connection: databases.drop(connection, name))


@contextmanager
def copied_database(server: Address, original: str, name: str) -> Iterator[Address]:
    """A copy of a database that has no sessions. It is dropped after the block."""

    def copy(connection: Connection) -> None:
        _lock(connection, original)
        databases.create(connection, name, template=original)

    databases.administer(server, copy)
    try:
        yield server.replaced(name=name)
    finally:
        databases.administer(server, lambda connection: databases.drop(connection, name))


@contextmanager
def migrated_database(
    project: Project, server: Address, original: str, name: str
) -> Iterator[Address]:
    """A copy of a migrated database. Processes that ask for copies of the same original share it:
    the first creates and migrates it, the last drops it.

    Args:
        project: the project.
        server: an address on the server.
        original: the name of the migrated database.
        name: the name of the copy. It starts with the name of the original and an underscore.
    """

    def create(connection: Connection) -> None:
        _lock(connection, original)
        if not databases.exists(connection, original):
            databases.create(connection, original)
            engine = make_engine(server.replaced(name=original))
            try:
                # With several heads, `head` fails. A test reports them.
                run_command(project, command.upgrade, "heads", connection=engine, batches=True)
            except BaseException:
                databases.drop(connection, original)
                raise
        databases.create(connection, name, template=original)

    def drop(connection: Connection) -> None:
        _lock(connection, original)
        databases.drop(connection, name)
        copies = text("SELECT count(*) FROM pg_database WHERE starts_with(datname, :prefix)")
        if connection.scalar(copies, {"prefix": f"{original}_"}) == 0:
            databases.drop(connection, original)

    databases.administer(server, create)
    try:
        yield server.replaced(name=name)
    finally:
        databases.administer(server, drop)


def _lock(connection: Connection, name: str) -> None:
    """Wait for other processes that create or drop databases of this name. The connection holds the
    lock until it is closed.
    """
    connection.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), {"name": name})
