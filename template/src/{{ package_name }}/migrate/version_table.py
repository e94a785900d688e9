"""The version table: at which revisions a database is."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, column, table
from sqlalchemy.exc import DBAPIError

from ..database.schema import SCHEMA
from ..printable import one_line
from .advisory_lock import advisory_lock, lock_holder
from .connection import make_engine, pause, with_connection
from .environment import NAME
from .errors import explain_refusal
from .locations import OtherVersionTableError, require_usual_version_table
from .pooler import require_own_session
from .schema_dump import VERSION_TABLE
from .session import migrating_session
from .terminal import tell
from .watchdog import limited

VERSIONS = table(VERSION_TABLE, column("version_num"), schema=SCHEMA)

Result = TypeVar("Result")


def revisions_in(connection: Connection) -> tuple[str, ...]:
    """Those that the database of a connection is at: none, one, or one of each branch."""
    with limited(connection):
        migration = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
        found = migration.get_current_heads()
        connection.rollback()
    return found


def current_revisions(instead: str = "") -> tuple[str, ...]:
    """Those that the database of the settings is at. It waits for nobody's lock for long.

    Args:
        instead: what works where Alembic has another version table.

    Raises:
        OtherVersionTableError: it has.
        CommandError: it cannot be reached, or somebody has the version table to himself.
        ConfigurationError: DB_* settings are missing.
    """
    from ..config import settings

    def look(connection: Connection) -> tuple[str, ...]:
        require_usual_version_table(connection, instead=instead)
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '3s'")
        return revisions_in(connection)

    engine = make_engine(settings.migration_address, settings.migration_driver)
    try:
        return with_connection(engine, look)
    except DBAPIError as error:
        raise CommandError(f"The version table cannot be read: {explain_refusal(error)}") from error


def require_current_revisions(otherwise: str) -> tuple[str, ...]:
    """The same, for what must not be done without knowing.

    Args:
        otherwise: the command to type where it does not matter.

    Raises:
        CommandError: they are not to be known.
    """
    instead = (
        "Change the database with Alembic (uv run alembic upgrade, downgrade and stamp), and the "
        f"files with: {otherwise}"
    )
    try:
        return current_revisions(instead)
    except OtherVersionTableError:
        raise
    except Exception as error:
        raise CommandError(
            "It is not known which revisions are applied to the database of the settings: "
            f"{error} Start it, or say that it does not matter: {otherwise}"
        ) from error


def while_nobody_migrates(work: Callable[[Connection], Result]) -> Result:
    """Call `work` with a connection to the database of the settings that holds the lock of
    migrations and has no transaction in progress.

    Raises:
        CommandError: there is no connection or no lock to be had; the text says why.
    """
    from ..config import settings

    def locked(connection: Connection) -> Result:
        require_own_session(connection, settings.DB_POOLER)
        if holder := lock_holder(connection, SCHEMA):
            tell(f"Waiting for another process that migrates: {holder}")
        with (
            migrating_session(connection),
            advisory_lock(
                connection,
                SCHEMA,
                timeout=settings.DB_MIGRATION_LOCK_TIMEOUT,
                pause=partial(pause, connection, cancelled=threading.Event()),
            ),
        ):
            return work(connection)

    engine = make_engine(settings.migration_address, settings.migration_driver, name=NAME)
    return with_connection(engine, locked)


def replace_revisions(
    old: Sequence[str], new: Sequence[str], *, first: Callable[[], object]
) -> None:
    """Put the database of the settings from revisions to others without running any, in one
    transaction. `alembic stamp --purge` takes two, and leaves no revision where it is killed
    between them.

    Args:
        old: the revisions that the database has to be at.
        new: those that it is at afterwards.
        first: called before that, when it is certain that the database is at the old ones.

    Raises:
        CommandError: the database is not at the old ones any more, or cannot be changed.
    """

    def replace(connection: Connection) -> None:
        now = revisions_in(connection)
        if set(now) != set(old):
            raise CommandError(
                f"Another process has brought the database to {one_line(', '.join(now)) or 'no revision'} "
                "meanwhile. Nothing was done."
            )
        first()
        with connection.begin():
            connection.execute(VERSIONS.delete())
            for revision in new:
                connection.execute(VERSIONS.insert().values(version_num=revision))

    while_nobody_migrates(replace)
