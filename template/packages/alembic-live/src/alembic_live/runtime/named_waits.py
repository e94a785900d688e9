"""Names what a command waits for while it reads the version table."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_live.postgres.explanations import explain_refusal, sqlstate
from alembic_live.postgres.pooler import announced_pid
from alembic_live.runtime.blockers import Blockers

LOCK_NOT_AVAILABLE = "55P03"


@contextmanager
def named_waits(connection: Connection) -> Iterator[None]:
    """Log what the statements of the block wait for.

    Raises:
        CommandError: the block raises it, or a lock is not available in time; the text says what it
            waited for.
    """
    pid = announced_pid(connection)
    if pid is None:
        yield
        return
    blockers = Blockers(connection, pid, lock_wait=0)
    with blockers.watching():
        try:
            yield
        except CommandError as error:
            if wait := blockers.last_wait:
                raise CommandError(f"{error} It waited for {wait}") from error
            raise
        except DBAPIError as error:
            wait = blockers.last_wait
            if wait and sqlstate(error) == LOCK_NOT_AVAILABLE:
                raise CommandError(f"{explain_refusal(error)} It waited for {wait}") from error
            raise
