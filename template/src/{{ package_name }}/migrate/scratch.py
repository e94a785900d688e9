"""Scratch databases: empty ones that a history is replayed in, dropped afterwards."""

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from hashlib import sha256
from pathlib import Path

from alembic import command
from alembic.util import CommandError
from sqlalchemy import Connection, text

from ..database.address import Address
from ..errors import ConfigurationError
from . import databases
from .command import run_command
from .connection import make_engine, with_connection
from .terminal import tell

PREFIX = f"{__name__.partition('.')[0][:24]}_scratch_"
HOST = sha256(socket.gethostname().encode()).hexdigest()[:8]  # who made it
NAME = re.compile(rf"{re.escape(PREFIX)}([0-9a-f]{{8}})_([0-9a-f]{{8}})_(\d+)_\d+")

TOO_OLD = 3600  # seconds after which one that nobody is connected to was left behind

MAY_CREATE = text("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
ROLES = text("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'")
UNUSED = text(
    """
    SELECT datname, EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)
    FROM pg_database d
    WHERE starts_with(datname, :prefix) AND pg_has_role(datdba, 'USAGE')
    """
)


@contextmanager
def scratch_databases(*, on: Address | None = None) -> Iterator[Callable[[], Address]]:
    """A function that makes an empty database, each time it is called. All are dropped at the end.

    They are on the server of the settings, so that it is of the same version and has the same
    extensions. Where that is not to be had, or the role may not make databases, they are on a
    local server of the programs that `db start` uses.

    Args:
        on: the server that they have to be on.

    Raises:
        CommandError: there is no such server either; the text says why.
    """
    with nullcontext(on) if on else _server() as server:
        made: list[Address] = []

        def make() -> Address:
            address = server.replaced(name=_name(len(made)))
            made.append(address)
            databases.administer(server, lambda connection: _make(connection, address.name))
            return address

        def drop(connection: Connection) -> None:
            for address in made:
                databases.drop(connection, address.name)

        try:
            yield make
        finally:
            if made:
                databases.administer(server, drop)


def replay(database: Address, *revisions: str, versions: Path | None = None) -> None:
    """Upgrade an empty database to revisions; without any, it gets the schema of the tables only.

    Args:
        database: the empty one.
        revisions: their ids.
        versions: the folder that they are in, if it is not the project's.

    Raises:
        CommandError: a revision fails; the text says which one and why.
    """
    from ..config import settings

    engine = make_engine(database, settings.migration_driver)
    if not revisions:
        run_command(command.downgrade, "base", connection=engine)
    for revision in revisions:
        run_command(command.upgrade, revision, connection=engine, versions=versions)


@contextmanager
def _server() -> Iterator[Address]:
    from ..config import settings

    def look(connection: Connection) -> tuple[bool, list[str]]:
        roles = [str(name) for name in connection.scalars(ROLES)]
        return bool(connection.scalar(MAY_CREATE)), roles

    may_create, why = False, "The database of the settings is not to be reached"
    roles: list[str] = []
    with suppress(CommandError, ConfigurationError):
        address = settings.migration_address
        may_create, roles = with_connection(make_engine(address, settings.migration_driver), look)
        why = f'Role "{address.user}" may not make databases (CREATEDB)'
    if may_create:
        yield address
        return

    from .local.throwaway import throwaway_server

    tell(f"{why}; a local server serves for the scratch databases.")
    with throwaway_server() as local:
        databases.administer(local, lambda connection: _make_roles(connection, roles))
        yield local


def _make(connection: Connection, name: str) -> None:
    _sweep(connection)
    databases.create(connection, name)


def _make_roles(connection: Connection, names: list[str]) -> None:
    """Roles that revisions may grant something to."""
    known = set(connection.scalars(ROLES))
    for name in names:
        if name not in known:
            databases.execute(connection, "CREATE ROLE %I", name)


def _name(number: int) -> str:
    return f"{PREFIX}{int(time.time()):08x}_{HOST}_{os.getpid()}_{number}"


def _sweep(connection: Connection) -> None:
    """Drop what processes left behind that were killed."""
    for name, is_used in connection.execute(UNUSED, {"prefix": PREFIX}).all():
        found = NAME.fullmatch(name)
        if found and not is_used:
            made_at, host, pid = found.groups()
            is_old = time.time() - int(made_at, 16) > TOO_OLD
            if is_old or (host == HOST and not _runs(int(pid))):
                databases.drop(connection, name)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
