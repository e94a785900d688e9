"""Scratch databases: empty databases in which a command replays revisions, dropped afterwards."""

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from secrets import token_hex
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, Row, text

from alembic_live.address import Address
from alembic_live.errors import ConfigurationError
from alembic_live.postgres import databases
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.local.machine import is_running, machine_id
from alembic_live.postgres.scratch_names import INFIX, NAME
from alembic_live.project import Project
from alembic_live.terminal import tell

LONGEST = 20  # characters of the project's name: Postgres truncates long names of databases

ABANDONED_AFTER = 3600  # seconds, for a database without sessions

MAY_CREATE = text(
    "SELECT (rolcreatedb OR rolsuper) AND NOT pg_is_in_recovery() AS may_create,"
    " pg_is_in_recovery() AS is_standby FROM pg_roles WHERE rolname = current_user"
)
# That of the database or the role, if they have their own. The session's may begin with another schema.
SEARCH_PATH = text(
    "SELECT reset_val FROM pg_settings WHERE name = 'search_path' AND reset_val <> boot_val"
)
USE_SEARCH_PATH = text("SELECT set_config('search_path', :path, false)")
ROLES = text("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'")
OWN_DATABASES = text(
    """
    SELECT datname, EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)
    FROM pg_database d
    WHERE starts_with(datname, :prefix) AND pg_has_role(datdba, 'USAGE')
    """
)


@contextmanager
def scratch_databases(
    project: Project, *, on: Address | None = None, is_local: bool = False
) -> Iterator[Callable[[], Address]]:
    """A function that creates an empty database on each call. All are dropped at the end.

    They are on the project's server, which has the right version and extensions, and have the search
    path of the project's database, if it has its own. If that server is not available, or the role cannot create databases, they are on a local server that is started
    for them. Alembic logs warnings only: its other entries would look like those of an upgrade.

    Args:
        project: the project.
        on: the server to use in any case.
        is_local: whether to start a local server in any case. It gets the roles of the project's.

    Raises:
        CommandError: the local server does not start; the text says why.
    """
    prefix = f"{re.sub(r'[^a-z0-9_]', '_', project.name.lower())[:LONGEST]}{INFIX}"
    place = nullcontext((on, None)) if on else _server(project, is_local=is_local)
    with place as (server, search_path), _without_progress():
        created: list[Address] = []

        def create_database() -> Address:
            address = server.replaced(name=_name(prefix), default_schema=project.default_schema)
            created.append(address)

            def create(connection: Connection) -> None:
                _drop_abandoned(connection, prefix)
                databases.create(connection, address.name)
                if search_path is not None:
                    connection.execute(USE_SEARCH_PATH, {"path": search_path})
                    set_path = "ALTER DATABASE %I SET search_path FROM CURRENT"
                    databases.execute(connection, set_path, address.name)

            databases.administer(server, create)
            return address

        def drop(connection: Connection) -> None:
            for address in created:
                databases.drop(connection, address.name)

        try:
            yield create_database
        finally:
            if created:
                databases.administer(server, drop)


@contextmanager
def _without_progress() -> Iterator[None]:
    """Let Alembic's loggers log warnings and errors only."""
    named = logging.getLogger().manager.loggerDict
    loggers = [logging.getLogger("alembic")] + [
        logger
        for name, logger in named.items()
        if isinstance(logger, logging.Logger) and name.startswith("alembic.") and logger.level
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(max(logger.level, logging.WARNING))
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _server(project: Project, *, is_local: bool) -> Iterator[tuple[Address, str | None]]:
    """The address of the server, and the search path of its scratch databases."""

    def read(connection: Connection) -> tuple[Row[Any], str | None, list[str]]:
        roles = [str(name) for name in connection.scalars(ROLES)]
        return connection.execute(MAY_CREATE).one(), connection.scalar(SEARCH_PATH), roles

    may_create, reason = False, "The project's database cannot be reached"
    roles: list[str] = []
    search_path: str | None = None
    with suppress(CommandError, ConfigurationError):
        address = project.migration_address
        row, search_path, roles = with_connection(make_engine(address), read)
        may_create = row.may_create
        reason = f'Role "{address.owner}" cannot create databases (CREATEDB)'
        if row.is_standby:
            reason = "The project's server is a standby"
    if may_create and not is_local:
        yield address, search_path
        return

    from alembic_live.postgres.local.throwaway import throwaway_server

    if not is_local:
        tell(f"{reason}. The scratch databases are on a local server.")
    with throwaway_server() as local:
        databases.administer(local, lambda connection: _create_roles(connection, roles))
        yield local, search_path


def _create_roles(connection: Connection, names: list[str]) -> None:
    """Create the roles of the project's server: revisions can refer to them in GRANT."""
    existing = set(connection.scalars(ROLES))
    for name in names:
        if name not in existing:
            databases.execute(connection, "CREATE ROLE %I", name)


def _name(prefix: str) -> str:
    return f"{prefix}{int(time.time()):08x}_{machine_id()}_{os.getpid()}_{token_hex(3)}"


def _drop_abandoned(connection: Connection, prefix: str) -> None:
    """Drop the scratch databases of killed processes."""
    for name, is_used in connection.execute(OWN_DATABASES, {"prefix": prefix}).all():
        found = NAME.fullmatch(name.removeprefix(prefix))
        if found and not is_used:
            created_at, host, pid = found.groups()
            is_old = time.time() - int(created_at, 16) > ABANDONED_AFTER
            if is_old or (host == machine_id() and not is_running(int(pid))):
                databases.drop(connection, name)
