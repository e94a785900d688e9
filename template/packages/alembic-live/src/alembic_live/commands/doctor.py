"""`db doctor`: find whatever keeps the service from its database."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from alembic_live.commands.roles import problem_with_application_role, schemas_of
from alembic_live.errors import ConfigurationError
from alembic_live.history.graph import describe_unknown, require_sound, unknown_revisions
from alembic_live.history.heads import diverged_heads, effective_heads, newest, problem_with_heads
from alembic_live.internals.alembic import walked
from alembic_live.models import load_models
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.explanations import explain_refusal
from alembic_live.postgres.grants import role_of
from alembic_live.postgres.pooler import advice, is_pooled
from alembic_live.postgres.privileges import (
    problem_with_another_path,
    problem_with_path,
    problem_with_rows,
    problem_with_schema,
    problems_with_objects,
)
from alembic_live.postgres.read_only import SETTINGS, why_read_only
from alembic_live.postgres.schemas import schema_name
from alembic_live.postgres.waits import LOGIN_ROLE, Wait, look_at
from alembic_live.postgres.watchdog import limited
from alembic_live.printable import as_json, one_line
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_of
from alembic_live.runtime.copies import Copies
from alembic_live.runtime.lock import lock_holder
from alembic_live.runtime.retries import LONGEST_PAUSE
from alembic_live.runtime.version_table import SHORT_WAIT, read_revisions
from alembic_live.setting_places import describe_places
from alembic_live.sql.quoting import identifier, word
from alembic_live.terminal import show, show_data

OLDEST_SERVER = 14  # the oldest major version that PostgreSQL still maintains
# Seconds without a statement after which a migration counts as dead. A live one pauses for up to
# LONGEST_PAUSE between two tries for a lock.
SILENCE = LONGEST_PAUSE + 30

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
                    *_path_of_application(project, connection),
                    *(
                        [_roles(project, connection, migrating.owner)]
                        if address.user != migrating.owner
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
        "search_path": lambda: _versions(project, connection),
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
            yield Check(name, False, explain_refusal(error, role_of(connection.engine)))


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
    if reason := _why_read_only(connection):
        return Check("server", False, f"PostgreSQL {version}. {reason}")
    return Check("server", True, f"PostgreSQL {version}")


def _why_read_only(connection: Connection) -> str:
    shown = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in SETTINGS]
    connection.rollback()
    return why_read_only(connection, *map(str, shown))


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


def _path_of_application(project: Project, connection: Connection) -> Iterator[Check]:
    """Report only a failure."""
    if problem := problem_with_another_path(connection, project.default_schema):
        yield Check("search_path", False, problem)


def _models(project: Project) -> Iterator[Check]:
    """Report only a failure. The other checks need the models for the schemas of the tables."""
    load_models(project)
    yield from ()


def _privileges(project: Project, connection: Connection) -> Iterator[Check]:
    """Nothing if the server takes no changes, whatever the privileges are."""
    if _why_read_only(connection):
        return
    schemas = schemas_of(project)
    for schema in schemas:
        problem = problem_with_schema(connection, schema)
        user = connection.exec_driver_sql("SELECT current_user").scalar_one()
        connection.rollback()
        ok = f'"{user}" may create tables in schema "{schema}"'
        yield Check("privileges", not problem, problem or ok)
    versions = configuration_of(project, connection).version_table
    tables = [
        (schema_name(table.schema, project.default_schema), table.name) for table in project.tables
    ]
    if problem := problem_with_rows(connection, identifier(versions.schema, versions.name)):
        yield Check("privileges", False, problem)
    for problem in problems_with_objects(connection, tables, schemas):
        yield Check("privileges", False, problem)


def _versions(project: Project, connection: Connection) -> Iterator[Check]:
    """Report failures, and publications: who subscribes to them is not known here."""
    versions = configuration_of(project, connection).version_table
    copies = Copies.read(connection, versions)
    if problem := copies.problem_with_replication():
        yield Check("replication", False, problem)
    elif warning := copies.problem_with_publications():
        yield Check("replication", True, warning)
    problem = ""
    with suppress(DBAPIError):  # it is locked, or must not be read: another check says so
        connection.exec_driver_sql(SHORT_WAIT)
        heads = copies.heads(connection)
        schema = project.default_schema
        problem = copies.problem_with_schemas(connection, project.script, heads, schema)
    connection.rollback()
    problem = problem or ("" if project.schema else problem_with_path(connection))
    problem = problem or _problem_with_logins(project, connection)
    if problem:
        yield Check("search_path", False, problem)


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
            f"uv run alembic upgrade {newest(script)}{_where(connection)}",
        )
    else:
        yield Check("revision", True, f"{one_line(', '.join(current)) or 'none'} (head)")


def _problem_with_logins(project: Project, connection: Connection) -> str:
    """Why an application that logs in as the same role would look for tables elsewhere. Empty if it
    would not.
    """
    if project.application_address.user != project.migration_address.user:
        return ""  # its own connection is looked at
    connection.exec_driver_sql("SET LOCAL search_path TO DEFAULT")
    return problem_with_another_path(connection, project.default_schema)


def _where(connection: Connection) -> str:
    """Where to upgrade, if that is not here."""
    is_standby = connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one()
    connection.rollback()
    return " on the primary, which this standby follows" if is_standby else ""


def _indexes(project: Project, connection: Connection) -> Check:
    schemas = schemas_of(project)
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
