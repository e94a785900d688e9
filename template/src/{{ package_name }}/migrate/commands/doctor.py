"""What `db doctor` finds out: everything that would keep the service from its database."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ...database.schema import SCHEMA
from ...errors import ConfigurationError
from ...printable import one_line
from ..advisory_lock import lock_holder
from ..connection import make_engine, with_connection
from ..errors import explain_refusal
from ..history import require_sound, unknown_revisions
from ..pooler import WHAT_TO_DO, is_pooled
from ..quoting import identifier, word
from ..retries import LONGEST_PAUSE
from ..version_table import revisions_in
from ..watchdog import limited
from .privileges import what_is_wrong_with_the_application

OLDEST_SERVER = 14  # the oldest major version that its makers still mend
# Seconds without a statement after which a migration is taken for dead: it pauses for long where
# it does not get a lock.
SILENCE = LONGEST_PAUSE + 30

PRIVILEGES = text(
    """
    SELECT current_user, current_database(),
           has_database_privilege(current_database(), 'CREATE'),
           (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = :schema)
    """
)
INVALID_INDEXES = text(
    """
    SELECT i.indexrelid::regclass::text, i.indrelid::regclass::text
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND n.nspname = :schema
      AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)
    ORDER BY 1
    """
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is in order, and a sentence about it."""

    check: str
    ok: bool
    text: str

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def examine(config: Config) -> list[Finding]:
    """Look at everything, from the settings to the tables; what cannot be looked at because of
    something else that is wrong is left out.
    """
    try:
        from ...config import settings

        address, migrating = settings.address, settings.migration_address
        driver, migration_driver = settings.DB_DRIVER_ASYNC, settings.migration_driver
    except ConfigurationError as error:
        return [Finding("settings", False, str(error))]
    findings = [Finding("settings", True, f"migrations use {migrating}")]

    def look(connection: Connection) -> list[Finding]:
        with limited(connection):
            return list(_look(config, connection))

    findings += _connected(
        lambda: with_connection(make_engine(migrating, migration_driver, pooled=True), look)
    )
    if (address, driver) != (migrating, migration_driver):

        def look_as_application(connection: Connection) -> list[Finding]:
            with limited(connection):
                return [
                    Finding("application", True, f"the application reaches {address}"),
                    *([] if settings.DB_POOLER else [_application_s_pooler(connection)]),
                    *(
                        [_roles(connection, migrating.user)]
                        if address.user != migrating.user
                        else []
                    ),
                ]

        findings += _connected(
            lambda: with_connection(make_engine(address, driver, pooled=True), look_as_application)
        )
    return findings


def _connected(look: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return look()
    except (CommandError, ConfigurationError) as error:
        return [Finding("connection", False, str(error))]


def _look(config: Config, connection: Connection) -> Iterator[Finding]:
    """Each check by itself: one that fails does not keep the others from finding something."""
    checks: dict[str, Callable[[], Iterable[Finding]]] = {
        "server": lambda: [_server(connection)],
        "pooler": lambda: [_pooler(connection)],
        "privileges": lambda: [_privileges(connection)],
        "revision": lambda: _revisions(config, connection),
        "indexes": lambda: [_indexes(connection)],
        "lock": lambda: [_lock(connection)],
    }
    for name, check in checks.items():
        try:
            yield from check()
        except (CommandError, ConfigurationError, RevisionError) as error:
            yield Finding(name, False, str(error))
        except DBAPIError as error:
            connection.rollback()
            yield Finding(name, False, explain_refusal(error))


def _server(connection: Connection) -> Finding:
    version = one_line(connection.exec_driver_sql("SHOW server_version").scalar_one(), 100)
    number = re.match(r"\d{1,4}", version)
    major = int(number.group()) if number else 0
    connection.rollback()
    if major < OLDEST_SERVER:
        return Finding(
            "server",
            False,
            f"The server is PostgreSQL {version}, older than {OLDEST_SERVER}, the oldest that is "
            "supported. Move the database to a newer server (pg_dump and pg_restore).",
        )
    return Finding("server", True, f"PostgreSQL {version}")


def _pooler(connection: Connection) -> Finding:
    from ...config import settings

    if settings.DB_POOLER == "session":
        return Finding("pooler", True, "said to be in session mode")
    if is_pooled(connection):
        return Finding("pooler", False, f"Migrations would go through a pooler. {WHAT_TO_DO}")
    return Finding("pooler", True, "nothing stands between migrations and the server")


def _application_s_pooler(connection: Connection) -> Finding:
    if is_pooled(connection):
        return Finding(
            "pooler",
            False,
            "The application goes through a pooler. Set DB_POOLER=transaction, so that it does "
            "without prepared statements, or DB_POOLER=session where the pooler is in that mode.",
        )
    return Finding("pooler", True, "nothing stands between the application and the server")


def _roles(connection: Connection, owner: str) -> Finding:
    wrong = what_is_wrong_with_the_application(connection, owner)
    if wrong:
        return Finding("roles", False, wrong)
    return Finding("roles", True, "the application can read and write rows, and nothing else")


def _privileges(connection: Connection) -> Finding:
    schema = SCHEMA or "public"
    user, database, may_create_schemas, may_create = connection.execute(
        PRIVILEGES, {"schema": schema}
    ).one()
    connection.rollback()
    database = one_line(database)
    if may_create or (may_create is None and may_create_schemas):
        return Finding("privileges", True, f'"{user}" may create tables in schema "{schema}"')
    if may_create is None:
        return Finding(
            "privileges",
            False,
            f'Schema "{schema}" is not there, and role "{user}" may not create it. As the owner '
            f"of the database: CREATE SCHEMA {identifier(schema)} AUTHORIZATION {identifier(user)};",
        )
    return Finding(
        "privileges",
        False,
        f'Role "{user}" may not create tables in schema "{schema}" (of "public", since Postgres '
        f'15, only the owner of the database may). As the owner of database "{database}": '
        f"GRANT CREATE, USAGE ON SCHEMA {identifier(schema)} TO {identifier(user)};",
    )


def _revisions(config: Config, connection: Connection) -> Iterator[Finding]:
    script = ScriptDirectory.from_config(config)
    require_sound(script)
    current = revisions_in(connection)
    heads = script.get_heads()
    if len(heads) > 1 and not set(current) >= set(heads):
        yield Finding(
            "heads",
            False,
            f"The history has several heads, {', '.join(heads)}, so `upgrade head` cannot "
            "choose. Join them: uv run alembic merge heads",
        )
    unknown = unknown_revisions(script, current)
    if unknown:
        yield Finding(
            "revision",
            False,
            f"The database is at revision {one_line(', '.join(unknown))}, which is not in this code: a "
            "newer version has migrated it, or the revision's file was removed "
            f"(uv run db remove {word(unknown[0])}).",
        )
    elif steps := list(script.iterate_revisions("heads", current, implicit_base=True)):
        yield Finding(
            "revision",
            False,
            f"{len(steps)} {'revision is' if len(steps) == 1 else 'revisions are'} not applied: "
            "uv run alembic upgrade head",
        )
    else:
        yield Finding("revision", True, f"{one_line(', '.join(current)) or 'none'} (head)")


def _indexes(connection: Connection) -> Finding:
    rows = connection.execute(INVALID_INDEXES, {"schema": SCHEMA or "public"}).all()
    connection.rollback()
    if rows:
        names = one_line(", ".join(f"{index} of {table}" for index, table in rows))
        return Finding(
            "indexes",
            False,
            f"Invalid, so that Postgres does not use them: {names}. A CREATE INDEX CONCURRENTLY "
            "was cut off: run its revision again, or REINDEX INDEX CONCURRENTLY, or drop it.",
        )
    return Finding("indexes", True, "all are valid")


def _lock(connection: Connection) -> Finding:
    holder = lock_holder(connection, SCHEMA)
    if holder is None:
        return Finding("lock", True, "nobody is migrating")
    if holder.is_idle and holder.silence >= SILENCE:
        return Finding(
            "lock",
            False,
            f"The lock of migrations is held by {holder}, which has done nothing for "
            f"{holder.silence:.0f} s and may be dead. To end it: "
            f"SELECT pg_terminate_backend({int(holder.pid)});",
        )
    return Finding("lock", True, f"{holder} is migrating")
