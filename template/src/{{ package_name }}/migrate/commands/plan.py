"""What `db plan` shows: what an upgrade or a downgrade would do. Nothing is executed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from ...config import settings
from ...printable import one_line
from ..connection import make_engine, with_connection
from ..history import require_sound, unknown_revisions
from ..plan.catalogue import read_world
from ..plan.statements import statements_in
from ..plan.steps import Steps, steps_between, steps_to
from ..plan.walk import Found, walk
from ..plan.world import World
from ..version_table import current_revisions
from ..watchdog import limited
from .lint import Finding, look_at
from .revision_sql import RevisionSQL, Statement, sql_of

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Step:
    """One revision, applied or taken back."""

    revision: Script
    sql: RevisionSQL  # its own statements
    found: Found
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Plan:
    """All of them, in the order of their turn."""

    database: str | None  # none for a range
    current: tuple[str, ...]
    is_downgrade: bool
    steps: list[Step]
    world: World  # after them
    not_linted: str | None  # why


def make_plan(config: Config, target: str) -> Plan:
    """Find out what a command would do.

    Args:
        config: Alembic's.
        target: whatever `upgrade` and `downgrade` take; or a range, `from:to`, for which no database is
            needed.

    Raises:
        CommandError: the database cannot be reached, or is at a revision that no file has; there is no
            such target.
        ConfigurationError: DB_* settings are missing.
    """
    script = ScriptDirectory.from_config(config)
    require_sound(script)
    if ":" in target:
        lower, _, upper = target.partition(":")
        database, current = None, tuple(part for part in (lower,) if part not in ("", "base"))
        steps = steps_between(script, lower, upper)
    else:
        database, current = str(settings.migration_address), _current_revisions()
        if unknown := unknown_revisions(script, current):
            raise CommandError(
                f"The database is at revision {one_line(', '.join(unknown))}, which is not in this code: a newer "
                "version has migrated it, or the revision's file was removed."
            )
        steps = steps_to(script, target, current)
    written = {
        revision: sql_of(revision, down=steps.is_downgrade, script=script)
        for revision in steps.revisions
    }
    world = _world(written.values()) if database and written else World()
    return _look(database, current, steps, written, world)


def _look(
    database: str | None,
    current: tuple[str, ...],
    steps: Steps,
    written: dict[Script, RevisionSQL],
    world: World,
) -> Plan:
    findings: list[Finding] = []
    not_linted = None
    try:
        findings = look_at({revision: sql.statements for revision, sql in written.items()})
    except CommandError as error:
        not_linted = str(error)
    return Plan(
        database,
        current,
        steps.is_downgrade,
        [
            Step(
                revision,
                sql._replace(statements=[each for each in sql.statements if _is_its_own(each)]),
                walk([each for each in sql.statements if not each.is_unasked], world),
                [finding for finding in findings if str(finding.path) == revision.path],
            )
            for revision, sql in written.items()
        ],
        world,
        not_linted,
    )


def _current_revisions() -> tuple[str, ...]:
    try:
        return current_revisions()
    except CommandError as error:
        raise CommandError(
            f"{error} A range needs no database: uv run db plan <from>:<to>"
        ) from error


def _world(written: Iterable[RevisionSQL]) -> World:
    names = {
        name
        for sql in written
        for each in sql.statements
        for statement in statements_in(each.sql)
        for name in statement.names()
    }
    return _with_database(lambda connection: read_world(connection, names))


def _with_database(look: Callable[[Connection], Result]) -> Result:
    engine = make_engine(settings.migration_address, settings.migration_driver)

    def limited_look(connection: Connection) -> Result:
        with limited(connection):
            return look(connection)

    return with_connection(engine, limited_look)


def _is_its_own(statement: Statement) -> bool:
    """Whether it is the revision's, and says more than that a transaction begins or ends."""
    words = statement.sql.strip("; \n").upper()
    return (
        statement.line is not None and not statement.is_unasked and words not in ("BEGIN", "COMMIT")
    )
