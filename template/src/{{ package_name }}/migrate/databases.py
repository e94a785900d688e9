"""Makes and drops databases and roles on a server, given an address that may."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, text

from ..database.address import Address
from .connection import make_engine, with_connection

Result = TypeVar("Result")


def administer(server: Address, work: Callable[[Connection], Result]) -> Result:
    """Call `work` with a connection in autocommit, to the server's database `postgres`.

    Raises:
        CommandError: there is no connection to be had; the text says why.
    """
    engine = make_engine(server.replaced(name="postgres"), "asyncpg", isolation_level="AUTOCOMMIT")
    return with_connection(engine, work)


def provide(server: Address, wanted: Address) -> None:
    """Make sure that the role and the database of an address exist, the role with its password
    and all rights.
    """

    def work(connection: Connection) -> None:
        role = text("SELECT true FROM pg_roles WHERE rolname = :name")
        verb = "ALTER" if connection.scalar(role, {"name": wanted.user}) else "CREATE"
        execute(
            connection,
            f"{verb} ROLE %I SUPERUSER LOGIN PASSWORD %L",
            wanted.user,
            wanted.password,
        )
        if not exists(connection, wanted.name):
            create(connection, wanted.name)

    administer(server, work)


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
