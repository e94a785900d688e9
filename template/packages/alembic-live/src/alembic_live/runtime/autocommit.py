"""Retries of statements in an `autocommit_block`.

Each statement there is a transaction. One that cannot acquire its lock has done nothing, so it can be
retried without the rest of its revision.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from alembic_live.internals.sqlalchemy import driver_error
from alembic_live.postgres.connection import is_autocommit, is_in_transaction
from alembic_live.runtime.retries import Retries
from alembic_live.sql.statement_kinds import (
    finalizing_statement,
    is_concurrent,
    may_commit_midway,
)

log = logging.getLogger("alembic.migrations")

STAYS = "The revision is not applied. What it did before that statement stays."


@contextmanager
def retried_statements(connection: Connection, retries: Retries) -> Iterator[None]:
    """Retry each statement that runs outside of a transaction during the block.

    Statements that may leave a part of their work are not retried: CONCURRENTLY leaves an invalid
    index, and CALL and DO may commit midway.

    Raises:
        CommandError: no try succeeded; the text names the table and the blocking session.
    """
    execute = connection.dialect.do_execute

    def tried_again(cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        """Whether this executed the statement. If not, SQLAlchemy does."""
        if context.root_connection is not connection or not is_autocommit(connection):
            return False
        if is_in_transaction(connection):  # the revision executed BEGIN
            return False

        def attempt() -> None:
            retries.blockers.watch(sql)
            execute(cursor, sql, parameters, context)

        if is_concurrent(sql):
            if finalize := finalizing_statement(sql):
                _detach(attempt, sql, finalize)
                return True
            return False
        retries.until_granted(
            attempt,
            statement=sql,
            outcome=STAYS,
            may_repeat=lambda: not may_commit_midway(sql),
        )
        return True

    def _detach(attempt: Callable[[], None], sql: str, finalize: str) -> None:
        """Detach a partition. Its last step takes ACCESS EXCLUSIVE on the partition. If that times
        out, the partition is neither attached nor detached, and FINALIZE completes the work.
        """
        try:
            attempt()
        except driver_error(connection) as error:
            if not retries.is_retried(error):
                raise
            log.warning(
                "%s The partition is detached in a second step.", retries.blockers.describe(sql)
            )
            connection.exec_driver_sql(finalize)

    event.listen(connection.dialect, "do_execute", tried_again)
    try:
        yield
    finally:
        event.remove(connection.dialect, "do_execute", tried_again)
