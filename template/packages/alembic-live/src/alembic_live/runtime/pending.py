"""The revisions that a command has yet to apply."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from alembic_live.postgres.connection import pause
from alembic_live.runtime.events import event
from alembic_live.runtime.revision_transaction import RevisionTransaction

log = logging.getLogger("alembic.migrations")

BATCH = 100  # revisions in one transaction. Their locks must fit into the server's lock table.


class PendingSteps:
    """The steps that a command has yet to take. After a retry Alembic starts over, and asks for the
    steps again: this leaves out those that are done, for relative targets (`+2`) too.

    Attributes:
        steps: the steps to take.
        done: the steps that are committed.
        current: the step in progress.
        began: when it began, by time.monotonic().
    """

    def __init__(self, steps: Sequence[Any], cancelled: threading.Event) -> None:
        self.steps = list(steps)
        self.done: list[Any] = []
        self.current: Any = None
        self.began = 0.0
        self._cancelled = cancelled

    def remaining(self, _heads: tuple[str, ...], migration: MigrationContext) -> Iterator[Any]:
        """The remaining steps. Alembic asks for the next one after each commit."""
        assert migration.connection is not None
        while self.steps:
            pause(migration.connection, 0, self._cancelled)
            self.current, self.began = self.steps[0], time.monotonic()
            yield self.current
            self.done.append(step := self.steps.pop(0))
            seconds = time.monotonic() - self.began
            extra = event("finished", seconds=round(seconds, 3))
            log.info("Finished %s in %.2f s", step, seconds, extra=extra)
            self.current = None

    def in_batches(
        self, transaction: RevisionTransaction, _heads: tuple[str, ...], migration: MigrationContext
    ) -> Iterator[Any]:
        """The remaining steps, without a commit after each. This commits after a number of steps, and
        after a step that has committed a part of its work.

        Args:
            transaction: knows whether a step has committed a part of its work.
            migration: Alembic's context, with one transaction for all steps.
        """
        assert migration.connection is not None
        taken = 0
        while self.steps:
            pause(migration.connection, 0, self._cancelled)
            self.current, self.began = self.steps[taken], time.monotonic()
            yield self.current
            taken += 1
            if transaction.is_split or taken in (BATCH, len(self.steps)):
                with migration.autocommit_block():
                    pass  # it commits what precedes it
                self.done += self.steps[:taken]
                del self.steps[:taken]
                taken = 0

    def require_done(self) -> None:
        """
        Raises:
            CommandError: Alembic has not asked for every step.
        """
        if self.steps:
            raise CommandError(
                f"Alembic ended before {self.steps[0]}, which the command has to run. What it did "
                "before that is committed. Look at `uv run alembic current`."
            )
