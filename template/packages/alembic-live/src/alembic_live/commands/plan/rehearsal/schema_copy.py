"""Copies the schema of the live database into a scratch database, without rows."""

from collections.abc import Iterator

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from alembic_live.address import Address
from alembic_live.autogenerate.from_scratch.restore import restore
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.dump import UNMANAGED_KINDS, Schema, read_schema
from alembic_live.postgres.explanations import advice_on, reason_of
from alembic_live.printable import one_line

LOCK_WAIT = "2s"  # for the locks of pg_dump, which has ACCESS SHARE on the other tables meanwhile

LOCKED = text(
    """
    SELECT l.pid, l.relation::regclass::text AS name FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.granted
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    ORDER BY 1, 2 LIMIT 10
    """
)


def copy_schema(live: Address, scratch: Address, version_table: str) -> None:
    """Create the objects of a database in an empty one, apart from the version table.

    Args:
        live: the database to read. pg_dump locks its tables in ACCESS SHARE mode.
        scratch: the empty one.
        version_table: the name of the version table.

    Raises:
        CommandError: a table of the live database is locked, or an object cannot be created; the text
            says why.
    """
    schema = _read(live, version_table)
    with_connection(
        make_engine(scratch), lambda connection: _write(connection, schema, f"the schema of {live}")
    )


def _read(live: Address, version_table: str) -> Schema:
    options = ("--no-privileges", f"--lock-wait-timeout={LOCK_WAIT}")
    try:
        schema = read_schema(live, *options, version_table=version_table)
    except CommandError as error:
        holders = ", ".join(with_connection(make_engine(live), lambda c: list(_lock_holders(c))))
        if not holders:
            raise
        raise CommandError(
            f"pg_dump needs the definition of every table of {live}, and {holders}. Run the command "
            "again when that has ended."
        ) from error
    return {each: sql for each, sql in schema.items() if each.kind not in UNMANAGED_KINDS}


def _lock_holders(connection: Connection) -> Iterator[str]:
    """Which sessions keep others from reading tables."""
    for row in connection.execute(LOCKED):
        yield f"session {row.pid} has locked {one_line(row.name)} in ACCESS EXCLUSIVE mode"


def _write(connection: Connection, schema: Schema, what: str) -> None:
    """Create the objects. An extension that cannot be created, such as pg_stat_statements by another
    role than a superuser, is missed only if another object needs it.
    """
    places = {each: sql for each, sql in schema.items() if each.kind == "SCHEMA"}
    extensions = {
        each: sql
        for each, sql in schema.items()
        if each.kind == "EXTENSION" or (each.kind, each.name[:9]) == ("COMMENT", "EXTENSION")
    }
    rest = {each: sql for each, sql in schema.items() if each not in places | extensions}
    missing: list[DBAPIError] = []
    try:
        restore(connection, places)
        for extension, sql in extensions.items():
            try:
                restore(connection, {extension: sql})
            except DBAPIError as error:
                missing.append(error)
        restore(connection, rest)
    except DBAPIError as error:
        cause = missing[0] if missing else error
        raise CommandError(
            f"A scratch database cannot get {what}: {reason_of(error)}."
            + (f" It lacks an extension: {reason_of(cause)}." if missing else "")
            + advice_on(cause)
        ) from error
