"""The version table, which holds the current revisions of a database."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, column, table
from sqlalchemy.exc import DBAPIError

from alembic_live.postgres.connection import make_engine, pause, with_connection
from alembic_live.postgres.explanations import explain_refusal
from alembic_live.postgres.watchdog import limited
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_of
from alembic_live.runtime.lock import lock_holder
from alembic_live.runtime.named_waits import named_waits
from alembic_live.runtime.session import locked_session
from alembic_live.terminal import tell

Result = TypeVar("Result")

SHORT_WAIT = "SET LOCAL lock_timeout = '3s'"


def revisions_in(project: Project, connection: Connection) -> tuple[str, ...]:
    """The current revisions of the database: none, one, or one for each branch."""
    table = configuration_of(project, connection).version_table
    with limited(connection):
        migration = MigrationContext.configure(
            connection,
            opts={"version_table": table.name, "version_table_schema": table.schema},
        )
        found = migration.get_current_heads()
        connection.rollback()
    return found


def read_revisions(project: Project, connection: Connection) -> tuple[str, ...]:
    """The current revisions of the database. The wait for a lock is short.

    Args:
        project: the project.
        connection: a connection without a transaction.

    Raises:
        CommandError: another session holds an exclusive lock on the version table; the text names it.
    """
    configuration_of(project, connection)  # before the transaction begins
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    connection.exec_driver_sql(SHORT_WAIT)
    try:
        with named_waits(connection):
            return revisions_in(project, connection)
    except CommandError as error:
        raise CommandError(f"The version table cannot be read: {error}") from error
    finally:
        connection.rollback()


def current_revisions(project: Project) -> tuple[str, ...]:
    """The current revisions of the project's database. The wait for a lock is short.

    Raises:
        CommandError: the database is not reachable, or another session holds an exclusive lock on the
            version table.
        ConfigurationError: DB_* settings are missing.
    """

    def look(connection: Connection) -> tuple[str, ...]:
        return read_revisions(project, connection)

    engine = make_engine(project.migration_address)
    try:
        return with_connection(engine, look)
    except DBAPIError as error:
        raise CommandError(f"The version table cannot be read: {explain_refusal(error)}") from error


def require_current_revisions(project: Project, otherwise: str) -> tuple[str, ...]:
    """The current revisions of the project's database, for a command that needs to know them.

    Args:
        project: the project.
        otherwise: the command that works without knowing them.

    Raises:
        CommandError: they are unknown.
    """
    try:
        return current_revisions(project)
    except Exception as error:
        raise CommandError(
            "The revisions that are applied to the database are unknown: "
            f"{error} Start the database, or go on without knowing: {otherwise}"
        ) from error


def with_migration_lock(project: Project, work: Callable[[Connection], Result]) -> Result:
    """Call `work` with a connection to the project's database that holds the migration lock and has
    no transaction. Its statements wait for other locks no longer than a migration's.

    Raises:
        CommandError: there is no connection, or the lock is not available; the text says why.
    """

    def locked(connection: Connection) -> Result:
        schema = configuration_of(project, connection).version_table.schema
        if holder := lock_holder(connection, schema):
            tell(f"Waiting for another process that migrates: {holder}")
        wait = partial(pause, connection, cancelled=threading.Event())
        with locked_session(project, connection, schema, pause=wait), named_waits(connection):
            return work(connection)

    engine = make_engine(project.migration_address, name=f"{project.name} migrations")
    return with_connection(engine, locked)


def replace_revisions(
    project: Project, old: Sequence[str], new: Sequence[str], *, first: Callable[[], object]
) -> None:
    """Replace the current revisions of the project's database in one transaction, without running
    any. `alembic stamp --purge` needs two transactions, and leaves no revision if it is killed
    between them.

    Args:
        project: the project.
        old: the revisions that the database must have.
        new: the revisions that replace them.
        first: called before the change, when the database is known to have the old revisions.

    Raises:
        CommandError: the database does not have the old revisions, or cannot be changed.
    """

    def replace(connection: Connection) -> None:
        now = revisions_in(project, connection)
        if set(now) != set(old):
            raise CommandError(
                f"Another process has changed the database to {one_line(', '.join(now)) or 'no revision'}. "
                "Nothing was done."
            )
        first()
        name, schema = configuration_of(project, connection).version_table
        versions = table(name, column("version_num"), schema=schema)
        try:
            with connection.begin():
                connection.execute(versions.delete())
                for revision in new:
                    connection.execute(versions.insert().values(version_num=revision))
        except DBAPIError as error:
            raise CommandError(
                f"The version table cannot be changed: {explain_refusal(error)}"
            ) from error

    with_migration_lock(project, replace)
