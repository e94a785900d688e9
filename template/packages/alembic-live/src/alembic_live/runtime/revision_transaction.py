"""The transaction of a revision.

Alembic begins it, updates the version table in it and commits it. If the revision ends it, the rest of
the revision or the update of the version table is lost, and the revision runs again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial, wraps
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection

from alembic_live.internals.alembic import is_revision_step
from alembic_live.postgres.connection import is_autocommit, is_in_transaction, listening
from alembic_live.runtime.explanations import (
    IN_A_BLOCK,
    IN_A_SAVEPOINT,
    place_in_progress,
)
from alembic_live.sql.statement_kinds import ending_statement

INSTEAD = f"Alembic commits after each revision. {IN_A_BLOCK} {IN_A_SAVEPOINT}"


class RevisionTransaction:
    """Refuses statements and calls that would end the transaction of a revision.

    Attributes:
        migration: Alembic's context.
        is_split: whether the revision in progress has committed a part of its work with an
            autocommit_block.
    """

    def __init__(self, migration: MigrationContext) -> None:
        assert migration.connection is not None
        self.migration = migration
        self._connection = migration.connection
        self._step: Any = None
        self._refusal: CommandError | None = None
        self._is_guarded = False
        self.is_split = False

    @contextmanager
    def kept(self, steps: Sequence[Any]) -> Iterator[None]:
        """Protect the transactions of the steps that run in the block."""
        changes = [(step, step.migration_fn) for step in steps if is_revision_step(step)]
        for step, change in changes:
            step.migration_fn = self._guarded(step, change)
        # This ends the transaction too, and is allowed to.
        block = self.migration.autocommit_block
        own_block = contextmanager(partial(self._autocommit_block, block))
        self.migration.autocommit_block = own_block  # type: ignore[method-assign]
        try:
            with listening(
                self._connection,
                commit=partial(self._refuse_call, "commit()"),
                rollback=partial(self._refuse_call, "rollback() or close()"),
                before_cursor_execute=self._look_at,
            ):
                yield
        finally:
            self.migration.autocommit_block = block  # type: ignore[method-assign]
            for step, change in changes:
                step.migration_fn = change

    def _guarded(self, step: Any, change: Callable[..., None]) -> Callable[..., None]:
        @wraps(change)
        def guarded(**options: Any) -> None:
            self._step, self._refusal, self.is_split = step, None, False
            with self._guard(True):
                try:
                    change(**options)
                finally:
                    if self._refusal:  # the revision may have caught it
                        raise self._refusal
                self._require_transaction()

        return guarded

    def _autocommit_block(
        self, block: Callable[[], AbstractContextManager[None]]
    ) -> Iterator[None]:
        self._require_transaction()
        self.is_split = True
        with self._guard(False), block(), self._guard(True):
            yield

    @contextmanager
    def _guard(self, value: bool) -> Iterator[None]:
        before, self._is_guarded = self._is_guarded, value
        try:
            yield
        finally:
            self._is_guarded = before

    def _look_at(self, _connection: Connection, _cursor: object, sql: str, *_rest: object) -> None:
        if self._is_guarded and not is_autocommit(self._connection):
            self._require_transaction()
            if statement := ending_statement(sql):
                self._refuse(statement)

    def _refuse_call(self, call: str, connection: Connection) -> None:
        if self._is_guarded:
            # SQLAlchemy has ended the transaction. End it in the driver too, or the next commit
            # would commit it.
            connection.dialect.do_rollback(connection.connection)
            # A closed connection must not return to its pool with the migration lock.
            connection.detach()
            self._refuse(call)

    def _refuse(self, what: str) -> None:
        since = " since its autocommit_block" if self.is_split else ""
        self._refusal = CommandError(
            f"{self._place()} ends its own transaction with {what}, so Alembic could not record it. "
            f"What it did{since} is rolled back. Remove that call. {INSTEAD}"
        )
        raise self._refusal

    def _require_transaction(self) -> None:
        """SQLAlchemy does not see what a revision does with the driver's connection."""
        if not is_autocommit(self._connection) and not is_in_transaction(self._connection):
            self._refusal = CommandError(
                f"{self._place()} has ended its own transaction through the driver's connection. "
                "It is not recorded, and what it committed stays: check what is left to do before you "
                f"run the command again. {INSTEAD}"
            )
            raise self._refusal

    def _place(self) -> str:
        assert self._step is not None
        revision = self._step.revision
        return f"{place_in_progress() or revision.path}: Revision {revision.revision}"
