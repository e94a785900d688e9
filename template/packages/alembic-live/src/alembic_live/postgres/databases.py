"""Creates and drops databases and roles, as a role that has the privileges."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from alembic_live.address import Address
from alembic_live.postgres.connection import (
    execute_verbatim,
    make_engine,
    with_connection,
)
from alembic_live.postgres.explanations import explain_refusal

Result = TypeVar("Result")


def administer(server: Address, work: Callable[[Connection], Result]) -> Result:
    """Call `work` with a connection to the server's database `postgres`, in autocommit mode.

    Raises:
        CommandError: the connection failed, or the role lacks a privilege; the text says why.
    """
    engine = make_engine(server.replaced(name="postgres"), isolation_level="AUTOCOMMIT")
    try:
        return with_connection(engine, work)
    except DBAPIError as error:
        raise CommandError(
            f'Role "{server.owner}" cannot create or drop databases (it needs CREATEDB): '
            f"{explain_refusal(error)}"
        ) from error


def provide(server: Address, wanted: Address) -> list[str]:
    """Create the role and the database of an address, if they do not exist. The role is a superuser
    with the address's password.

    Returns:
        What was done, as sentences.
    """

    def work(connection: Connection) -> list[str]:
        done = []
        role = text("SELECT true FROM pg_roles WHERE rolname = :name")
        if not connection.scalar(role, {"name": wanted.user}):
            execute(
                connection,
                "CREATE ROLE %I SUPERUSER LOGIN PASSWORD %L",
                wanted.user,
                wanted.password,
            )
            done.append(f'Created role "{wanted.user}", a superuser of this server.')
        if not exists(connection, wanted.name):
            try:
                create(connection, wanted.name)
            except DBAPIError:
                # The server completes the statement of a start that was killed.
                if not exists(connection, wanted.name):
                    raise
            done.append(f'Created database "{wanted.name}".')
        if not _logs_in(wanted):
            execute(
                connection,
                "ALTER ROLE %I SUPERUSER LOGIN PASSWORD %L",
                wanted.user,
                wanted.password,
            )
            source = f"that of {wanted.origin}" if wanted.origin else "DB_PASSWORD"
            done.append(f'Set the password of role "{wanted.user}" to {source}.')
        return done

    return administer(server, work)


def _logs_in(address: Address) -> bool:
    with suppress(CommandError):
        engine = make_engine(address)
        return with_connection(engine, lambda connection: True)
    return False


def exists(connection: Connection, name: str) -> bool:
    """Whether the server has a database of that name."""
    found = text("SELECT true FROM pg_database WHERE datname = :name")
    return bool(connection.scalar(found, {"name": name}))


def create(connection: Connection, name: str, *, template: str = "template1") -> None:
    """Create a database as a copy of another one, which must have no sessions."""
    # FILE_COPY is faster than WAL_LOG, the default since Postgres 15.
    version = connection.dialect.server_version_info or (0,)
    strategy = " STRATEGY FILE_COPY" if version >= (15,) else ""
    execute(connection, f"CREATE DATABASE %I TEMPLATE %I{strategy}", name, template)


def drop(connection: Connection, name: str) -> None:
    """Drop a database, if it exists, and end its sessions."""
    execute(connection, "DROP DATABASE IF EXISTS %I WITH (FORCE)", name)


def execute(connection: Connection, statement: str, *values: str) -> None:
    """Run a statement that cannot have parameters. The server quotes names (%I) and literals (%L).

    https://www.postgresql.org/docs/current/functions-string.html#FUNCTIONS-STRING-FORMAT
    """
    arguments = {f"value_{number}": value for number, value in enumerate(values)}
    places = "".join(f", CAST(:{name} AS text)" for name in arguments)
    formatting = text(f"SELECT format(CAST(:statement AS text){places})")
    quoted = connection.scalar(formatting, {"statement": statement, **arguments})
    assert quoted is not None
    execute_verbatim(connection, quoted)
