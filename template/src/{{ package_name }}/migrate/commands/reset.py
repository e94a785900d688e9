"""`db reset`: the database for development, made anew."""

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ...config import settings
from ...database.address import Address
from ...database.schema import SCHEMA
from ...printable import one_line
from .. import databases
from ..advisory_lock import lock_holder
from ..connection import make_engine, with_connection
from ..errors import explain_refusal
from ..scratch import replay, scratch_databases
from ..terminal import require_consent

MARK = "production"  # in the database's comment

COMMENT = text(
    "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = :name"
)
CONTENTS = text(
    """
    SELECT count(*), coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint,
           (SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid())
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$)'
    """
)


def reset(*, yes: bool, force: bool) -> list[str]:
    """Put a new, migrated database in the place of that of the settings. The old one stays until
    the new one is complete. Returns what was done, for people.

    Args:
        yes: do not ask.
        force: also where it does not look like a database for development.

    Raises:
        CommandError: it does not look like one, somebody says no, or the role may not; the old
            database is as it was.
    """
    address = settings.migration_address
    if not force:
        _require_development(address)
    exists, comment = databases.administer(
        address,
        lambda connection: (
            databases.exists(connection, address.name),
            connection.scalar(COMMENT, {"name": address.name}) or "",
        ),
    )
    if MARK in comment.lower() and not force:
        raise CommandError(
            f'The comment of database "{address.name}" says "{one_line(comment)}", so it is not reset. If that '
            "is meant: uv run db reset --force"
        )
    if exists:
        contents = with_connection(make_engine(address, settings.migration_driver), _contents)
        require_consent(f"The {address} would be dropped: {contents}.", yes=yes)
    with scratch_databases(on=address) as make:
        new = make()
        replay(new, "heads")
        databases.administer(address, lambda c: _swap(c, new.name, address.name))
    done = [f'Database "{address.name}" is new, and at the newest revision.']
    if address.user != settings.DB_USER:
        done.append(f'Role "{settings.DB_USER}" has no rights in it yet: uv run db roles')
    return done


def _require_development(address: Address) -> None:
    if not address.is_on_this_machine:
        raise CommandError(
            f"The {address} is on another machine, so it does not look like one for development and is not "
            "reset. If that is meant: uv run db reset --force"
        )


def _contents(connection: Connection) -> str:
    tables, rows, sessions = connection.execute(CONTENTS).one()
    connection.rollback()
    if holder := lock_holder(connection, SCHEMA):
        raise CommandError(f"Another process migrates this database: {holder}. Nothing was done.")
    others = f", and {sessions} sessions use it" if sessions else ""
    return f"it has {tables} tables with about {rows} rows{others}"


def _swap(connection: Connection, new: str, old: str) -> None:
    databases.drop(connection, old)
    try:
        databases.execute(connection, "ALTER DATABASE %I RENAME TO %I", new, old)
    except DBAPIError as error:
        raise CommandError(
            f'Another process has made database "{old}" anew at the same time: {explain_refusal(error)}'
        ) from error
