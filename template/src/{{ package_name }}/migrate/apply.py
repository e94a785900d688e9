"""Applies revisions: one process at a time, a transaction each, never long in anybody's way."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, event

from .advisory_lock import advisory_lock
from .command import command_of
from .errors import explain_lost_connection
from .history import unknown_revisions
from .retries import until_granted
from .schema import create_schema
from .timeouts import timeouts

log = logging.getLogger("alembic.migrations")


def run_migrations(schema: str | None) -> None:
    """`context.run_migrations()`, safe to run from every replica at once and amid traffic.

    A command that changes the database (upgrade, downgrade, stamp) looks first, and is done
    where there is nothing to do. Otherwise it waits for the processes that migrate already and
    looks again. A revision that does not get a lock in time is rolled back and tried again.

    Raises:
        CommandError: the database is at a revision that the code does not have; another process
            migrates for too long; a lock was not to be had; or there is a pooler in between.
    """
    migration = context.get_context()
    if migration.as_sql or "destination_rev" not in migration.opts:
        create_schema(schema)
        with context.begin_transaction():
            context.run_migrations()
        return

    from ..config import settings  # costs time, and a wrong value in it is an error

    connection = migration.connection
    assert connection is not None
    purge = migration.opts.get("purge")  # of `stamp`, for which any state will do
    if not purge and _nothing_to_do(migration, may_be_ahead=settings.DB_MIGRATION_AHEAD == "warn"):
        return
    with advisory_lock(connection, schema, timeout=settings.DB_MIGRATION_LOCK_TIMEOUT) as waited:
        create_schema(schema)
        plan = Plan([] if purge else _steps(migration))
        if not purge:
            # Alembic asks this for the steps; it has no public name for that.
            migration._migrations_fn = plan.remaining
            if waited and not plan.steps:
                log.info("Another process has done it: nothing is left to do.")
        with (
            timeouts(
                connection,
                lock=settings.DB_MIGRATION_LOCK_WAIT,
                statement=settings.DB_MIGRATION_STATEMENT_TIMEOUT,
            ),
            plan.watching(connection),
        ):
            _run(connection, plan)


class Plan:
    """The steps that a command has to take. Those that are done are not taken again when Alembic
    begins anew after a lock that was not granted, also where the target is relative (`+2`).
    """

    def __init__(self, steps: Sequence[Any]) -> None:
        self.steps = list(steps)
        self.committed_midway = False

    @contextmanager
    def watching(self, connection: Connection) -> Iterator[None]:
        """Notice when the step in progress commits a part of its work (autocommit_block)."""

        def note(_connection: Connection) -> None:
            self.committed_midway = True

        event.listen(connection, "commit", note)
        try:
            yield
        finally:
            event.remove(connection, "commit", note)

    def remaining(self, _heads: tuple[str, ...], _migration: MigrationContext) -> Iterator[Any]:
        """The steps that are not done. Alembic asks for the next when it has committed one."""
        while self.steps:
            began = time.monotonic()
            self.committed_midway = False
            yield self.steps[0]
            log.info("Finished %s in %.2f s", self.steps.pop(0), time.monotonic() - began)


def _steps(migration: MigrationContext) -> list[Any]:
    """What the command has to do to the database as it is now."""
    connection = migration.connection
    assert connection is not None
    try:
        return list(migration.opts["fn"](migration.get_current_heads(), migration))
    finally:
        connection.rollback()  # Alembic wants to begin the transactions itself


def _nothing_to_do(migration: MigrationContext, *, may_be_ahead: bool) -> bool:
    connection = migration.connection
    assert connection is not None
    current = migration.get_current_heads()
    connection.rollback()
    unknown = unknown_revisions(context.script, current)
    if not unknown:
        return bool(current) and not migration.opts["fn"](current, migration)
    text = f"The database is at revision {', '.join(unknown)}, which is not in this code"
    if may_be_ahead and command_of(context.config) in ("upgrade", "migrate", None):
        log.warning("%s: a newer version has migrated it. Nothing was done.", text)
        return True
    raise CommandError(
        f"{text}: a newer version has migrated it, or the revision's file was removed. Deploy the "
        "version that has it, or bring the file back. To let an older version start on a newer "
        "database, set DB_MIGRATION_AHEAD=warn."
    )


def _run(connection: Connection, plan: Plan) -> None:
    def attempt() -> None:
        with context.begin_transaction():
            context.run_migrations()

    try:
        until_granted(connection, attempt, may_repeat=lambda: not plan.committed_midway)
    except connection.dialect.loaded_dbapi.Error as error:
        # SQLAlchemy passes those on as they are that happen as an autocommit_block begins.
        raise CommandError(explain_lost_connection(error)) from error
