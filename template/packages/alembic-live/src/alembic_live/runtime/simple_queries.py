"""Statements that need one round trip instead of two with asyncpg.

SQLAlchemy prepares each statement before it executes it. A revision's DDL runs once, so preparing
saves nothing, and a prepared statement is a single one. Postgres executes the text of a simple query
as it is. https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SIMPLE-QUERY
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from alembic_live.internals import require
from alembic_live.internals.sqlalchemy import CURSORS, execute_simple_query
from alembic_live.postgres.connection import is_autocommit

# They return no rows. asyncpg does not return those of a simple query.
DDL = re.compile(
    r"\s*(?:ALTER|COMMENT|CREATE|DO|DROP|GRANT|LOCK|REFRESH|RESET|REVOKE|SET|TRUNCATE)\b", re.I
)
DML = re.compile(r"\s*(?:DELETE|INSERT|UPDATE)\b(?!.*\bRETURNING\b)", re.I | re.S)


@contextmanager
def simple_queries(connection: Connection) -> Iterator[None]:
    """Send statements without parameters and rows as simple queries during the block, if the driver
    is asyncpg. Other drivers do so already.

    Raises:
        IncompatibleLibraryError: this SQLAlchemy has other cursors.
    """
    if connection.dialect.driver != "asyncpg":
        yield
        return
    require(CURSORS)

    def execute(cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        """Whether this executed the statement. If not, SQLAlchemy does."""
        if parameters or context.root_connection is not connection or is_autocommit(connection):
            return False
        if not (DDL.match(sql) or DML.match(sql)):
            return False
        execute_simple_query(cursor, sql)
        return True

    event.listen(connection.dialect, "do_execute", execute)
    try:
        yield
    finally:
        event.remove(connection.dialect, "do_execute", execute)
