"""Applies revisions: one process at a time, one transaction per revision, short waits for locks.

An upgrade has these guards, each in a module of its name:

- Settings of the session (`session`): the server notices a killed client, and timeouts of the role
  do not apply.
- The migration lock (`lock`).
- Limits on each statement (`timeouts`), and on all waits of a transaction together (`wait_limit`).
- Who blocks a statement, and how far it is (`blockers`, `named_waits`, `reports`).
- Retries of a revision (`retries`), of a statement in an autocommit_block (`autocommit`), and of a
  concurrent operation (`operations.non_transactional.with_retries`).
- The refusal of a statement that would end the revision's transaction (`revision_transaction`).
- After SIGTERM or SIGINT, the end of the session, and a report (`interruption`).

After `kill -9` Postgres frees the lock and rolls back the transaction in progress. What an
autocommit_block leaves, such as an invalid index, is repaired by the operations of alembic_live when
the revision runs again (`operations.indexes`).
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from alembic_live.history.graph import describe_unknown, replaced_by, unknown_revisions
from alembic_live.history.heads import explain_ambiguity
from alembic_live.history.irreversible import require_reversible
from alembic_live.internals.alembic import (
    AmbiguousTargetError,
    configured_with,
    is_revision_step,
    moves_the_database,
    only_read,
    option,
    steps_of,
)
from alembic_live.internals.sqlalchemy import driver_error
from alembic_live.interruption import ENDING, reported_by, within
from alembic_live.postgres.connection import pause
from alembic_live.postgres.relations import VersionTable
from alembic_live.postgres.schemas import PUBLIC
from alembic_live.postgres.watchdog import limited
from alembic_live.project import Project
from alembic_live.runtime.autocommit import retried_statements
from alembic_live.runtime.blockers import Blockers
from alembic_live.runtime.copies import Copies
from alembic_live.runtime.events import step_in_records
from alembic_live.runtime.explanations import explain_driver_error
from alembic_live.runtime.named_waits import named_waits
from alembic_live.runtime.outcome import describe_outcome
from alembic_live.runtime.pending import PendingSteps
from alembic_live.runtime.program import APPLIED, command_of, may_write
from alembic_live.runtime.retries import RETRIES, Retries
from alembic_live.runtime.revision_transaction import RevisionTransaction
from alembic_live.runtime.session import end_session, locked_session
from alembic_live.runtime.several_statements import one_at_a_time
from alembic_live.runtime.simple_queries import simple_queries
from alembic_live.runtime.timeouts import timeouts
from alembic_live.sql.quoting import word

log = logging.getLogger("alembic.migrations")

TRANSACTIONS = "transaction_per_migration"


def apply(project: Project) -> None:
    """`context.run_migrations()`, safe for concurrent replicas and for a database in use.

    A command that changes the database (upgrade, downgrade, stamp) returns if there is nothing to do.
    Otherwise it takes the migration lock and looks again. A revision that cannot acquire a lock in
    time is rolled back and retried.

    Raises:
        CommandError: the database has a revision that the code lacks; another process holds the
            migration lock for too long; no try acquired a lock; or a pooler is in between.
    """
    migration = context.get_context()
    if context.is_offline_mode() or not moves_the_database(command_of(context.config)):
        connection = None if migration.as_sql else migration.connection
        with named_waits(connection) if connection else nullcontext():
            _run_without_guards(project, migration)
        return

    connection = migration.connection
    assert connection is not None
    schema = migration.version_table_schema
    cancelled = context.config.attributes.get("cancelled") or threading.Event()
    wait = partial(pause, connection, cancelled=cancelled)
    purge = migration.purge  # `stamp --purge` works in any state
    if purge:  # let an unknown target fail before the table is emptied
        steps_of(migration, ())
    elif _steps(project, migration) is None:
        return
    with locked_session(project, connection, schema, pause=wait) as pid:
        steps = [] if purge else _steps(project, migration, warns=True)
        if steps is None:
            log.info("Another process has applied everything.")
            return
        pending = PendingSteps(steps, cancelled)
        each = option(migration, TRANSACTIONS)  # `configured_with` changes it
        if context.config.attributes.get("batches") and _run_in_batches(
            project, migration, pending, pid, wait
        ):
            return
        if not purge:
            migration = configured_with(
                migration, pending.remaining, **{TRANSACTIONS: each}, **_with_listener(migration)
            )
        create_schema(schema or _own_schema(project))
        transaction = RevisionTransaction(migration)
        _run_with_guards(project, migration, transaction, pending, pid, wait)


def _run_without_guards(project: Project, migration: MigrationContext) -> None:
    """Run a command that writes SQL or leaves the database at its revision.

    Raises:
        CommandError: it writes the downgrade of a revision that cannot be undone.
    """
    if migration.as_sql and moves_the_database(command_of(context.config)):
        _require_reversible(steps_of(migration, migration.get_current_heads()))
    if not may_write(context.config):
        only_read(migration)
    create_schema(migration.version_table_schema or _own_schema(project))
    with context.begin_transaction():
        context.run_migrations()


def _run_in_batches(
    project: Project,
    migration: MigrationContext,
    pending: PendingSteps,
    pid: int,
    wait: Callable[[float], None],
) -> bool:
    """Run the pending steps, many in one transaction. False if that fails and they can go on one by
    one: some revisions need the commit of another one, such as the one that adds an enum's value.
    """
    transaction = RevisionTransaction(migration)
    migration = configured_with(
        migration, partial(pending.in_batches, transaction), **{TRANSACTIONS: False}
    )
    transaction.migration = migration
    create_schema(migration.version_table_schema or _own_schema(project))
    try:
        _run_with_guards(project, migration, transaction, pending, pid, wait)
    except (CommandError, DBAPIError):
        connection = migration.connection
        if transaction.is_split or connection is None or connection.invalidated:
            raise  # what it did stays, or the process is being stopped
        return False
    return True


def _run_with_guards(
    project: Project,
    migration: MigrationContext,
    transaction: RevisionTransaction,
    pending: PendingSteps,
    pid: int,
    wait: Callable[[float], None],
) -> None:
    """Run the pending steps with limits, retries and a report after a signal.

    Args:
        project: the project.
        migration: Alembic's context, which takes its steps from `pending`.
        transaction: of its revisions.
        pending: the steps.
        pid: the process id of the session, which holds the migration lock.
        wait: sleeps for a number of seconds.
    """
    connection = migration.connection
    assert connection is not None
    limits = project.limits
    blockers = Blockers(connection, pid, lock_wait=limits.lock_wait, pending=pending)
    settings = (project.setting("lock_wait"), project.setting("lock_retries"))
    retries = Retries(connection, blockers, limits.lock_retries + 1, wait, settings)
    context.config.attributes[RETRIES] = retries  # for `operations`
    with (
        reported_by(partial(_end, migration, pending, transaction, pid)),
        # Before `watching`, so that its own statements are not watched.
        timeouts(
            connection, lock_wait=limits.lock_wait, statement=limits.statement_timeout, pid=pid
        ),
        one_at_a_time(connection),
        blockers.watching(),
        retried_statements(connection, retries),
        simple_queries(connection),
        transaction.kept(pending.steps),
        step_in_records(pending),
    ):
        _run(connection, transaction, retries)
        pending.require_done()


def _with_listener(migration: MigrationContext) -> dict[str, Any]:
    """The listeners of env.py, and the one that `run_command` was given."""
    applied = context.config.attributes.get(APPLIED)
    given = option(migration, APPLIED) or ()
    return {APPLIED: (*given, applied)} if applied else {}


def _end(
    migration: MigrationContext, pending: PendingSteps, transaction: RevisionTransaction, pid: int
) -> str:
    """End the session after a signal. Return sentences about the outcome."""
    assert migration.connection is not None
    end = partial(
        end_session,
        migration.connection.engine,
        pid,
        schema=migration.version_table_schema,
        table=migration.version_table,
    )
    heads = within(ENDING, end)
    return describe_outcome(pending.done, pending.steps, heads, is_split=transaction.is_split)


def _require_reversible(steps: Sequence[Any]) -> None:
    """Refuse a downgrade before its first step, rather than in the middle."""
    require_reversible(
        step.revision for step in steps if is_revision_step(step) and not step.is_upgrade
    )


def _steps(
    project: Project, migration: MigrationContext, *, warns: bool = False
) -> list[Any] | None:
    """The steps that the command has to take now. None if there is nothing to do, and the version
    table exists.

    Args:
        project: the project.
        migration: Alembic's context.
        warns: whether to log a warning if the version table is in a publication.

    Raises:
        CommandError: the database has a revision that the code lacks, the target is ambiguous, or a
            revision cannot be undone; or the version table is not that of this database.
    """
    connection = migration.connection
    assert connection is not None
    versions = VersionTable(migration.version_table, migration.version_table_schema)
    upgrades = command_of(context.config) in ("upgrade", None)
    try:
        with named_waits(connection), limited(connection):
            copies = Copies.read(connection, versions)
            current = copies.heads(connection)
            problem = copies.problem_with_replication()
            if upgrades and not problem:
                problem = copies.problem_with_schemas(
                    connection, context.script, current, project.default_schema
                )
            if problem:
                raise CommandError(problem)
            if warns and (warning := copies.problem_with_publications()):
                log.warning("%s", warning)
        unknown = unknown_revisions(context.script, current)
        if not unknown:
            steps = steps_of(migration, current)
            _require_reversible(steps)
            return None if current and not steps else steps
    except AmbiguousTargetError as error:
        is_upgrade = command_of(context.config) != "downgrade"
        raise CommandError(
            explain_ambiguity(context.script, current, is_upgrade=is_upgrade)
        ) from error
    finally:
        connection.rollback()  # Alembic begins the transactions
    replaced = replaced_by(context.script)
    if squashed := [revision for revision in unknown if revision in replaced]:
        raise CommandError(
            describe_unknown(
                unknown,
                f": it was squashed into {replaced[squashed[0]]}. Upgrade the database to that "
                "revision with the code from before the squash, then deploy this code.",
            )
        )
    if project.limits.ahead == "warn" and upgrades:
        rest = ": newer code has migrated it. Nothing was done."
        log.warning("%s", describe_unknown(unknown, rest))
        return None
    way_out = (
        f" To let an older version start on a newer database, set {project.setting('ahead', 'warn')}."
        if upgrades
        else ""
    )
    raise CommandError(
        describe_unknown(
            unknown,
            ": newer code has migrated it, or the revision's file was removed. Deploy the code that "
            "has it, restore the file, or repair the database: uv run db remove "
            f"{word(unknown[0])}.{way_out}",
        )
    )


def _run(connection: Connection, transaction: RevisionTransaction, retries: Retries) -> None:
    def attempt() -> None:
        transaction.is_split = False
        with context.begin_transaction():
            context.run_migrations()

    try:
        retries.until_granted(attempt, may_repeat=lambda: not transaction.is_split)
    except driver_error(connection) as error:
        # SQLAlchemy does not wrap errors at the start of an autocommit_block, nor those of calls
        # to the driver's connection.
        raise CommandError(explain_driver_error(error)) from error


def _own_schema(project: Project) -> str | None:
    """The schema that alembic.ini names, unless every database has it."""
    return project.default_schema if project.default_schema not in ("", PUBLIC) else None


def create_schema(schema: str | None) -> None:
    """Create the schema of the tables, if it is missing, before Alembic creates its version table in it.

    CREATE SCHEMA IF NOT EXISTS needs a privilege even if the schema exists, so this looks first.
    """
    migration = context.get_context()
    if schema is None or option(migration, "dont_mutate"):
        return
    statement = CreateSchema(schema, if_not_exists=True)
    if migration.as_sql:
        if not migration.get_current_heads():
            migration.execute(statement)
        return
    connection = migration.connection
    assert connection is not None
    with named_waits(connection), connection.begin():
        if not inspect(connection).has_schema(schema):
            connection.execute(statement)
