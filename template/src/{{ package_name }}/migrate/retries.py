"""Tries again what did not get its lock."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from .blockers import Blockers
from .errors import sqlstate, statement_of

log = logging.getLogger("alembic.migrations")

# https://www.postgresql.org/docs/current/errcodes-appendix.html: lock_not_available and
# deadlock_detected. The transaction is rolled back, and the same statement may succeed later.
RETRIED = ("55P03", "40P01")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a connection tries to get a lock, and how it waits between the tries."""

    connection: Connection
    blockers: Blockers  # which watches the connection
    tries: int
    pause: Callable[[float], None]

    def until_granted(
        self,
        attempt: Callable[[], None],
        *,
        statement: str = "",
        outcome: str = "The revision is not applied.",
        may_repeat: Callable[[], bool] = lambda: True,
    ) -> None:
        """Call `attempt`, and again after a pause where it did not get a lock. Each try and who
        was in its way is logged.

        Args:
            attempt: everything that has to be done again. It leaves no transaction behind.
            statement: the SQL of the attempt, where the error does not have it.
            outcome: a sentence about what is left where no try succeeds.
            may_repeat: asked after a failure. False where a part of the work stays.

        Raises:
            CommandError: no try succeeded; the text names the table and who held it.
        """
        for number in range(1, self.tries + 1):
            try:
                attempt()
                return
            except (DBAPIError, self.connection.dialect.loaded_dbapi.Error) as error:
                if not self.is_retried(error):
                    raise
                reason = self.blockers.describe(statement_of(error, statement))
                if not may_repeat():
                    # Its first half stays; again, it would fail at what is there already.
                    raise CommandError(
                        f"{reason} The revision has an autocommit_block, and what it did before "
                        "that stays: look at what is left to do before you run the command again."
                    ) from error
                if number == self.tries:
                    raise CommandError(
                        f"{reason} Tried {number} times. {outcome} End the "
                        "sessions that hold the lock (SELECT pg_terminate_backend(pid)), or run "
                        "the command again at a quieter time. DB_MIGRATION_LOCK_WAIT is the time "
                        "for one try, DB_MIGRATION_LOCK_RETRIES the number of further ones."
                    ) from error
                seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (number - 1))
                seconds *= random.uniform(0.75, 1)
                log.warning("%s Try %d of %d in %.1f s.", reason, number + 1, self.tries, seconds)
                self.pause(seconds)

    def is_retried(self, error: Exception) -> bool:
        """Whether a statement failed at a lock, so that it may succeed later."""
        return sqlstate(error) in RETRIED or self.blockers.has_cancelled()
