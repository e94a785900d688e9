"""Applies revisions: one process at a time, a transaction each, never long in anybody's way."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection

from ..printable import one_line
from .advisory_lock import advisory_lock
from .autocommit import tried_again_by_themselves
from .blockers import Blockers
from .command import command_of
from .connection import pause
from .errors import explain_driver_error
from .history import replaced_by, unknown_revisions
from .interruption import reported_by, within
from .outcome import describe_outcome
from .pooler import require_own_session
from .quoting import word
from .retries import Retries
from .revision_transaction import RevisionTransaction
from .schema import create_schema
from .session import end_session, migrating_session
from .timeouts import timeouts
from .watchdog import limited

log = logging.getLogger("alembic.migrations")

ENDING = 0.7  # seconds for the end of the session when the process is stopped


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
    cancelled = context.config.attributes.get("cancelled") or threading.Event()
    wait = partial(pause, connection, cancelled=cancelled)
    may_be_ahead = settings.DB_MIGRATION_AHEAD == "warn"
    purge = migration.opts.get("purge")  # of `stamp`, for which any state will do
    if purge:  # an unknown target fails before the table is emptied
        list(migration.opts["fn"]((), migration))
    if not purge and _steps(migration, may_be_ahead=may_be_ahead) is None:
        return
    require_own_session(connection, settings.DB_POOLER)
    lock_wait = settings.DB_MIGRATION_LOCK_WAIT
    with (
        migrating_session(connection, lock=lock_wait),
        advisory_lock(
            connection, schema, timeout=settings.DB_MIGRATION_LOCK_TIMEOUT, pause=wait
        ) as lock,
    ):
        steps = [] if purge else _steps(migration, may_be_ahead=may_be_ahead)
        if steps is None:
            log.info("Nothing is left to do.")
            return
        create_schema(schema)
        blockers = Blockers(connection, lock.pid, lock=lock_wait)
        plan = Plan(steps, cancelled)
        if not purge:
            # Alembic asks this for the steps; it has no public name for that.
            migration._migrations_fn = plan.remaining
        retries = Retries(connection, blockers, settings.DB_MIGRATION_LOCK_RETRIES + 1, wait)
        migration.opts["retries"] = retries  # for `operations`
        limits = timeouts(
            connection,
            lock=lock_wait,
            statement=settings.DB_MIGRATION_STATEMENT_TIMEOUT,
            pid=lock.pid,
        )
        transaction = RevisionTransaction(migration)

        def stopped() -> str:
            end = partial(end_session, schema=schema, table=migration.version_table)
            heads = within(ENDING, partial(end, connection.engine, lock.pid))
            return describe_outcome(plan.done, plan.steps, heads, is_split=transaction.is_split)

        with (
            reported_by(stopped),
            limits,  # before what watches: it has statements that are not a revision's
            blockers.watching(),
            tried_again_by_themselves(connection, retries),
            transaction.kept(steps),
        ):
            _run(connection, transaction, retries)


class Plan:
    """The steps that a command has to take. Those that are done are not taken again when Alembic
    begins anew after a lock that was not granted, also where the target is relative (`+2`).
    """

    def __init__(self, steps: Sequence[Any], cancelled: threading.Event) -> None:
        self.steps = list(steps)
        self.done: list[Any] = []
        self.cancelled = cancelled

    def remaining(self, _heads: tuple[str, ...], migration: MigrationContext) -> Iterator[Any]:
        """The steps that are not done. Alembic asks for the next when it has committed one."""
        assert migration.connection is not None
        while self.steps:
            pause(migration.connection, 0, self.cancelled)
            began = time.monotonic()
            yield self.steps[0]
            self.done.append(step := self.steps.pop(0))
            log.info("Finished %s in %.2f s", step, time.monotonic() - began)


def _steps(migration: MigrationContext, *, may_be_ahead: bool) -> list[Any] | None:
    """What the command has to do to the database as it is now; None where that is nothing, not
    even to make the version table.

    Raises:
        CommandError: the database is at a revision that the code does not have.
    """
    connection = migration.connection
    assert connection is not None
    try:
        with limited(connection):
            current = migration.get_current_heads()
        unknown = unknown_revisions(context.script, current)
        if not unknown:
            steps = list(migration.opts["fn"](current, migration))
            return None if current and not steps else steps
    finally:
        connection.rollback()  # Alembic wants to begin the transactions itself
    text = f"The database is at revision {one_line(', '.join(unknown))}, which is not in this code"
    replaced = replaced_by(context.script)
    if squashed := [revision for revision in unknown if revision in replaced]:
        raise CommandError(
            f"{text}: it was squashed into {replaced[squashed[0]]}. Bring the database there with the version "
            "of the code from before the squash, then come back to this one."
        )
    upgrades = command_of(context.config) in ("upgrade", "migrate", None)
    if may_be_ahead and upgrades:
        log.warning("%s: a newer version has migrated it. Nothing was done.", text)
        return None
    way_out = (
        " To let an older version start on a newer database, set DB_MIGRATION_AHEAD=warn."
        if upgrades
        else ""
    )
    raise CommandError(
        f"{text}: a newer version has migrated it, or the revision's file was removed. Deploy the "
        "version that has it, or bring the file back, or repair the database: uv run db remove "
        f"{word(unknown[0])}.{way_out}"
    )


def _run(connection: Connection, transaction: RevisionTransaction, retries: Retries) -> None:
    def attempt() -> None:
        transaction.is_split = False
        with context.begin_transaction():
            context.run_migrations()

    try:
        retries.until_granted(attempt, may_repeat=lambda: not transaction.is_split)
    except connection.dialect.loaded_dbapi.Error as error:
        # SQLAlchemy passes those on as they are that happen as an autocommit_block begins, or
        # that a revision gets from the driver itself.
        raise CommandError(explain_driver_error(error)) from error
