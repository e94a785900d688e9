"""Makes and drops databases and roles on a server, given an address that may."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..database.address import Address
from .connection import make_engine, with_connection
from .errors import explain_refusal

Result = TypeVar("Result")


def administer(server: Address, work: Callable[[Connection], Result]) -> Result:
    """Call `work` with a connection in autocommit, to the server's database `postgres`.

    Raises:
        CommandError: there is no connection to be had, or the role may not do it; the text says why.
    """
    engine = make_engine(server.replaced(name="postgres"), "asyncpg", isolation_level="AUTOCOMMIT")
    try:
        return with_connection(engine, work)
    except DBAPIError as error:
        raise CommandError(
            f'Role "{server.user}" cannot make or drop databases (it needs CREATEDB): '
            f"{explain_refusal(error)}"
        ) from error


def provide(server: Address, wanted: Address) -> list[str]:
    """Make sure that the role and the database of an address exist, the role with its password
    and all rights. Returns what was done, for people.
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
                # The server goes on with the statement of a start that was killed.
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
            done.append(f'Set the password of role "{wanted.user}" to DB_PASSWORD.')
        return done

    return administer(server, work)


def _logs_in(address: Address) -> bool:
    with suppress(CommandError):
        engine = make_engine(address, "asyncpg")
        return with_connection(engine, lambda connection: True)
    return False


def exists(connection: Connection, name: str) -> bool:
    """Whether the server has a database of that name."""
    found = text("SELECT true FROM pg_database WHERE datname = :name")
    return bool(connection.scalar(found, {"name": name}))


def create(connection: Connection, name: str, *, template: str = "template1") -> None:
    """Make a database, as a copy of another one that nobody is connected to."""
    # Copying files is faster than writing them through the log, the default since Postgres 15.
    version = connection.dialect.server_version_info or (0,)
    strategy = " STRATEGY FILE_COPY" if version >= (15,) else ""
    execute(connection, f"CREATE DATABASE %I TEMPLATE %I{strategy}", name, template)


def drop(connection: Connection, name: str) -> None:
    """Drop a database if it is there, and end its sessions."""
    execute(connection, "DROP DATABASE IF EXISTS %I WITH (FORCE)", name)


def execute(connection: Connection, statement: str, *values: str) -> None:
    """Run a statement that takes no parameters: the server itself quotes names (%I) and
    literals (%L).

    https://www.postgresql.org/docs/current/functions-string.html#FUNCTIONS-STRING-FORMAT
    """
    arguments = {f"value_{number}": value for number, value in enumerate(values)}
    places = "".join(f", CAST(:{name} AS text)" for name in arguments)
    formatting = text(f"SELECT format(CAST(:statement AS text){places})")
    quoted = connection.scalar(formatting, {"statement": statement, **arguments})
    connection.exec_driver_sql(quoted)
