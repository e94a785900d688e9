"""Retries of statements and revisions that could not acquire a lock."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_live.internals.sqlalchemy import driver_error
from alembic_live.postgres.explanations import sqlstate, statement_of
from alembic_live.runtime.blockers import Blockers
from alembic_live.runtime.events import event

log = logging.getLogger("alembic.migrations")

# https://www.postgresql.org/docs/current/errcodes-appendix.html: lock_not_available and
# deadlock_detected. The transaction is rolled back, and a retry may succeed.
RETRIED = ("55P03", "40P01")

RETRIES = "alembic_live.retries"  # the key in Config.attributes

END_THEM = "End the blocking sessions: SELECT pg_terminate_backend(pid);"

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a connection retries, and how it waits between the tries."""

    connection: Connection
    blockers: Blockers  # watches the connection
    tries: int
    pause: Callable[[float], None]
    settings: tuple[str, str] = ("DB_MIGRATION_LOCK_WAIT", "DB_MIGRATION_LOCK_RETRIES")

    def until_granted(
        self,
        attempt: Callable[[], None],
        *,
        statement: str = "",
        outcome: str = "The revision is not applied.",
        may_repeat: Callable[[], bool] = lambda: True,
    ) -> None:
        """Call `attempt`. If it cannot acquire a lock, log the blocking sessions, pause and retry.

        Args:
            attempt: the work to repeat. It leaves no transaction open.
            statement: the SQL of the attempt, if the error does not have it.
            outcome: a sentence about the state after the last try.
            may_repeat: called after a failure; False if a part of the work stays.

        Raises:
            CommandError: no try succeeded; the text names the table and the blocking sessions.
        """
        for number in range(1, self.tries + 1):
            try:
                attempt()
                return
            except (DBAPIError, driver_error(self.connection)) as error:
                if not self.is_retried(error):
                    raise
                reason = self.blockers.describe(statement_of(error, statement))
                if not may_repeat():
                    # The first part stays, so a retry would fail on objects that exist.
                    raise CommandError(
                        f"{reason} {self.blockers.remedy} It is not retried: a part of the revision may be committed, such as "
                        "the work of an autocommit_block or a procedure, and that part stays. Check what "
                        "is left to do before you run the command again."
                    ) from error
                if number == self.tries:
                    raise CommandError(
                        f"{reason} Tried {number} times. {outcome} {self.blockers.remedy or END_THEM} "
                        f"Then run the command again. {self.settings[0]} is the time for one try, {self.settings[1]} the number of "
                        "retries."
                    ) from error
                seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (number - 1))
                seconds *= random.uniform(0.75, 1)
                reason = f"{reason} {self.blockers.remedy}".rstrip()
                extra = event(
                    "retrying", attempt=number + 1, tries=self.tries, pause=round(seconds, 3),
                    sqlstate=sqlstate(error) or None, statement=statement_of(error, statement),
                )  # fmt: skip
                words = "%s Try %d of %d in %.1f s."
                log.warning(words, reason, number + 1, self.tries, seconds, extra=extra)
                self.pause(seconds)

    def is_retried(self, error: Exception) -> bool:
        """Whether a statement failed because of a lock, so that a retry may succeed."""
        return sqlstate(error) in RETRIED or self.blockers.has_cancelled()
