"""Statements outside of transactions, as in an autocommit_block. Each is a transaction by itself, so
one that does not get its lock has done nothing, and is tried again without the rest of its revision.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from .connection import is_autocommit, is_in_transaction
from .retries import Retries
from .statement_kinds import is_concurrent, may_commit_midway

log = logging.getLogger("alembic.migrations")

STAYS = "The revision is not applied, and what it did before that statement stays."

# https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION
DETACH = re.compile(r"(\bDETACH\s+PARTITION\b.*)\bCONCURRENTLY\b", re.IGNORECASE | re.DOTALL)


@contextmanager
def tried_again_by_themselves(connection: Connection, retries: Retries) -> Iterator[None]:
    """Try statements outside of transactions again during the block, each by itself.

    Those that may leave a part of their work are not repeated: what runs CONCURRENTLY, which
    leaves an invalid index, and code that may commit midway (CALL, DO).

    Raises:
        CommandError: no try succeeded; the text names the table and who held it.
    """
    execute = connection.dialect.do_execute

    def tried_again(cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        """Whether the statement is executed; if not, SQLAlchemy does it."""
        if context.root_connection is not connection or not is_autocommit(connection):
            return False
        if is_in_transaction(connection):  # the revision has begun one with BEGIN
            return False

        def attempt() -> None:
            retries.blockers.watch(sql)
            execute(cursor, sql, parameters, context)

        if is_concurrent(sql):
            if DETACH.search(sql):
                _detach(attempt, sql)
                return True
            return False
        retries.until_granted(
            attempt,
            statement=sql,
            outcome=STAYS,
            may_repeat=lambda: not may_commit_midway(sql),
        )
        return True

    def _detach(attempt: Callable[[], None], sql: str) -> None:
        """It needs the partition for itself at its end. Where it does not get that in time, the
        partition is no longer attached, but not detached either.
        """
        try:
            attempt()
        except connection.dialect.loaded_dbapi.Error as error:
            if not retries.is_retried(error):
                raise
            log.warning(
                "%s The partition is detached in a second step.", retries.blockers.describe(sql)
            )
            connection.exec_driver_sql(DETACH.sub(r"\1FINALIZE", sql))

    event.listen(connection.dialect, "do_execute", tried_again)
    try:
        yield
    finally:
        event.remove(connection.dialect, "do_execute", tried_again)
