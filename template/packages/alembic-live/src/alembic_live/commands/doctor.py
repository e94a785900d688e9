"""`db doctor`: find whatever keeps the service from its database."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from alembic_live.commands.roles import problem_with_application_role
from alembic_live.errors import ConfigurationError
from alembic_live.history.graph import describe_unknown, require_sound, unknown_revisions
from alembic_live.history.heads import diverged_heads, effective_heads, newest, problem_with_heads
from alembic_live.internals.alembic import walked
from alembic_live.models import load_models
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.explanations import explain_refusal
from alembic_live.postgres.pooler import advice, is_pooled
from alembic_live.postgres.read_only import SETTINGS, why_read_only
from alembic_live.postgres.schemas import schema_name
from alembic_live.postgres.waits import LOGIN_ROLE, Wait, look_at
from alembic_live.postgres.watchdog import limited
from alembic_live.printable import as_json, one_line
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_of
from alembic_live.runtime.lock import lock_holder
from alembic_live.runtime.retries import LONGEST_PAUSE
from alembic_live.runtime.version_table import read_revisions
from alembic_live.setting_places import describe_places
from alembic_live.sql.quoting import identifier, require_printable, word
from alembic_live.terminal import show, show_data

OLDEST_SERVER = 14  # the oldest major version that PostgreSQL still maintains
# Seconds without a statement after which a migration counts as dead. A live one pauses for up to
# LONGEST_PAUSE between two tries for a lock.
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
    WHERE NOT i.indisvalid AND n.nspname = ANY(:schemas)
      AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)
    ORDER BY 1
    """
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="Print JSON.")


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    findings = examine(project)
    ok = all(finding.ok for finding in findings)
    if arguments.json:
        result = {"ok": ok, "findings": [finding.as_dict() for finding in findings]}
        show_data(as_json(result))
    else:
        for finding in findings:
            mark = "ok   " if finding.ok else "WRONG"
            show(f"{mark} {finding.check:<11} {finding.text}")
    return 0 if ok else 1


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check, with a sentence about it."""

    check: str
    ok: bool
    text: str

    def as_dict(self) -> dict[str, Any]:
        """The result as `--json` prints it."""
        return asdict(self)


def examine(project: Project) -> list[Check]:
    """Run every check, from the settings to the indexes. A check that another failure makes
    impossible is left out.
    """
    try:
        address, migrating = project.application_address, project.migration_address
    except ConfigurationError as error:
        return [Check("settings", False, str(error))]
    findings = [Check("settings", True, f"migrations use {migrating}")]
    if project.settings is not None:
        findings.append(Check("sources", True, describe_places(project.settings)))

    def check(connection: Connection) -> list[Check]:
        with limited(connection):
            return list(_check_database(project, connection))

    findings += _connected(lambda: with_connection(make_engine(migrating, pooled=True), check))
    if address != migrating:

        def check_as_application(connection: Connection) -> list[Check]:
            with limited(connection):
                return [
                    Check("application", True, f"the application reaches {address}"),
                    *([] if project.pooler else [_application_pooler(connection)]),
                    *(
                        [_roles(project, connection, migrating.user)]
                        if address.user != migrating.user
                        else []
                    ),
                ]

        findings += _connected(
            lambda: with_connection(make_engine(address, pooled=True), check_as_application)
        )
    if reading := project.read_address:
        reached = Check("readers", True, f"read_session() reaches {reading}")
        engine = make_engine(reading, pooled=True)
        findings += _connected(lambda: with_connection(engine, lambda _: [reached]))
    return findings


def _connected(check: Callable[[], list[Check]]) -> list[Check]:
    try:
        return check()
    except (CommandError, ConfigurationError) as error:
        return [Check("connection", False, str(error))]


def _check_database(project: Project, connection: Connection) -> Iterator[Check]:
    """Run each check by itself, so that a failure does not prevent the others."""
    checks: dict[str, Callable[[], Iterable[Check]]] = {
        "models": lambda: _models(project),
        "server": lambda: [_server(connection)],
        "pooler": lambda: [_pooler(project, connection)],
        "privileges": lambda: _privileges(project, connection),
        "revision": lambda: _revisions(project, connection),
        "indexes": lambda: [_indexes(project, connection)],
        "lock": lambda: [_lock(project, connection)],
    }
    for name, check in checks.items():
        try:
            yield from check()
        except (CommandError, ConfigurationError) as error:
            yield Check(name, False, str(error))
        except DBAPIError as error:
            connection.rollback()
            yield Check(name, False, explain_refusal(error))


def _server(connection: Connection) -> Check:
    version = one_line(connection.exec_driver_sql("SHOW server_version").scalar_one(), 100)
    number = re.match(r"\d{1,4}", version)
    major = int(number.group()) if number else 0
    connection.rollback()
    if major < OLDEST_SERVER:
        return Check(
            "server",
            False,
            f"The server is PostgreSQL {version}. The oldest supported version is {OLDEST_SERVER}. Move "
            "the database to a newer server (pg_dump and pg_restore).",
        )
    shown = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in SETTINGS]
    connection.rollback()
    if reason := why_read_only(connection, *map(str, shown)):
        return Check("server", False, f"PostgreSQL {version}. {reason}")
    return Check("server", True, f"PostgreSQL {version}")


def _pooler(project: Project, connection: Connection) -> Check:
    if project.migration_pooler == "session":
        return Check("pooler", True, "in session mode, as configured")
    if is_pooled(connection):
        return Check("pooler", False, f"Migrations go through a pooler. {advice(connection)}")
    return Check("pooler", True, "there is none between migrations and the server")


def _application_pooler(connection: Connection) -> Check:
    if is_pooled(connection):
        return Check(
            "pooler",
            False,
            "The application goes through a pooler. If the pooler is in session mode, set "
            "DB_POOLER=session. Otherwise set DB_POOLER=transaction, so that the application uses no "
            "prepared statements.",
        )
    return Check("pooler", True, "there is none between the application and the server")


def _roles(project: Project, connection: Connection, owner: str) -> Check:
    if problem := problem_with_application_role(project, connection, owner):
        return Check("roles", False, problem)
    return Check("roles", True, "the application can read and write rows, and nothing else")


def _models(project: Project) -> Iterator[Check]:
    """Report only a failure. The other checks need the models for the schemas of the tables."""
    load_models(project)
    yield from ()


def _privileges(project: Project, connection: Connection) -> Iterator[Check]:
    for schema in dict.fromkeys(map(schema_name, project.schemas)):
        yield _privileges_in(schema, connection)


def _privileges_in(schema: str, connection: Connection) -> Check:
    user, database, may_create_schemas, may_create = connection.execute(
        PRIVILEGES, {"schema": schema}
    ).one()
    connection.rollback()
    database = one_line(database)
    if may_create or (may_create is None and may_create_schemas):
        return Check("privileges", True, f'"{user}" may create tables in schema "{schema}"')
    require_printable(schema, user)
    if may_create is None:
        return Check(
            "privileges",
            False,
            f'Schema "{schema}" does not exist, and role "{user}" may not create it. As the owner '
            f"of the database, run: CREATE SCHEMA {identifier(schema)} AUTHORIZATION {identifier(user)};",
        )
    return Check(
        "privileges",
        False,
        f'Role "{user}" may not create tables in schema "{schema}". (Since Postgres 15, only the '
        f'owner of the database may in "public".) As the owner of database "{database}", run: '
        f"GRANT CREATE, USAGE ON SCHEMA {identifier(schema)} TO {identifier(user)};",
    )


def _revisions(project: Project, connection: Connection) -> Iterator[Check]:
    script = project.script
    require_sound(script)
    current = read_revisions(project, connection)
    problem = problem_with_heads(script, project.target)
    if problem and (diverged_heads(script) or not set(current) >= effective_heads(script)):
        yield Check("heads", False, problem)
    unknown = unknown_revisions(script, current)
    pending = partial(script.iterate_revisions, "heads", current, implicit_base=True)
    if unknown:
        yield Check(
            "revision",
            False,
            describe_unknown(
                unknown,
                ". Either a newer version of the code migrated it, or the revision's file was deleted "
                f"(uv run db remove {word(unknown[0])}).",
            ),
        )
    elif steps := walked(script, pending, "heads", "upgrade"):
        yield Check(
            "revision",
            False,
            f"{len(steps)} {'revision is' if len(steps) == 1 else 'revisions are'} not applied: "
            f"uv run alembic upgrade {newest(script)}",
        )
    else:
        yield Check("revision", True, f"{one_line(', '.join(current)) or 'none'} (head)")


def _indexes(project: Project, connection: Connection) -> Check:
    schemas = list(map(schema_name, project.schemas))
    rows = connection.execute(INVALID_INDEXES, {"schemas": schemas}).all()
    connection.rollback()
    if rows:
        names = one_line(", ".join(f"{index} of {table}" for index, table in rows))
        return Check(
            "indexes",
            False,
            f"Postgres does not use these invalid indexes: {names}. A CREATE INDEX CONCURRENTLY was "
            "interrupted. Run its revision again, or REINDEX INDEX CONCURRENTLY, or drop the index.",
        )
    return Check("indexes", True, "all are valid")


def _lock(project: Project, connection: Connection) -> Check:
    holder = lock_holder(connection, configuration_of(project, connection).version_table.schema)
    if holder is None:
        return Check("lock", True, "no process is migrating")
    if holder.is_idle and holder.silence >= SILENCE:
        return Check(
            "lock",
            False,
            f"{holder} holds the migration lock. It has executed nothing for "
            f"{holder.silence:.0f} s and may be dead. To end it: "
            f"SELECT pg_terminate_backend({int(holder.pid)});",
        )
    connection.execute(LOGIN_ROLE)
    found = look_at(connection, holder.pid)
    connection.rollback()
    if isinstance(found, Wait):
        return Check("lock", False, f"{holder} is migrating. It waits for {found}")
    if found and found.progress:
        doing = f"{found.progress.command}, {found}"
        return Check("lock", True, f"{holder} is migrating: {doing}")
    return Check("lock", True, f"{holder} is migrating")
