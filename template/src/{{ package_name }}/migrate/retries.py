"""Tries again what did not get its lock."""

import logging
import random
from collections.abc import Callable

from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from .connection import pause
from .errors import sqlstate
from .timeouts import describe_holders

log = logging.getLogger("alembic.migrations")

# https://www.postgresql.org/docs/current/errcodes-appendix.html: lock_not_available and
# deadlock_detected. The transaction is rolled back, and the same statement may succeed later.
RETRIED = ("55P03", "40P01")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries


def until_granted(
    connection: Connection,
    attempt: Callable[[], None],
    *,
    may_repeat: Callable[[], bool] = lambda: True,
) -> None:
    """Call `attempt`, and again after a pause where it did not get a lock, as often as
    DB_MIGRATION_LOCK_RETRIES says. Each try and who was in its way is logged.

    Args:
        connection: that of the attempt, which leaves no transaction of its own behind.
        attempt: everything that has to be done again.
        may_repeat: asked after a failure. False where a part of the work stays.

    Raises:
        CommandError: no try succeeded; the text names the table and who held it.
    """
    from ..config import settings  # costs time, and a wrong value in it is an error

    tries = settings.DB_MIGRATION_LOCK_RETRIES + 1
    for number in range(1, tries + 1):
        try:
            attempt()
            return
        except DBAPIError as error:
            if sqlstate(error) not in RETRIED:
                raise
            repeats = may_repeat()
            reason = describe_holders(connection, error, settings.DB_MIGRATION_LOCK_WAIT)
            if not repeats:
                # Its first half stays; the whole of it again would fail at what is there already.
                raise CommandError(
                    f"{reason} The revision has an autocommit_block, and what it did before that "
                    "stays: look at what is left to do before you run the command again."
                ) from error
            if number == tries:
                raise CommandError(
                    f"{reason} Tried {tries} times. The revision is not applied. End the sessions "
                    "that hold the lock (SELECT pg_terminate_backend(pid)), or run the command "
                    "again at a quieter time. DB_MIGRATION_LOCK_WAIT is the time for one try, "
                    "DB_MIGRATION_LOCK_RETRIES the number of further ones."
                ) from error
            seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (number - 1)) * random.uniform(0.75, 1)
            log.warning("%s Try %d of %d in %.1f s.", reason, number + 1, tries, seconds)
            pause(connection, seconds)
