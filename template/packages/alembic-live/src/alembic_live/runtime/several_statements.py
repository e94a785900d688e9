"""Several statements in one string, as in `op.execute("CREATE …; CREATE …")`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from alembic_live.sql.statement_kinds import separate_statements


@contextmanager
def one_at_a_time(connection: Connection) -> Iterator[None]:
    """Send each statement of a string by itself during the block, with asyncpg. It prepares what it
    executes, and Postgres prepares single statements only. Other drivers send the string as it is.
    """
    if connection.dialect.driver != "asyncpg":
        yield
        return

    def split(
        executing: Connection,
        _cursor: object,
        sql: str,
        parameters: Any,
        _context: object,
        many: bool,
    ) -> tuple[str, Any]:
        if parameters or many:
            return sql, parameters
        *before, last = separate_statements(sql)
        for statement in before:
            executing.exec_driver_sql(statement)
        return last, parameters

    event.listen(connection, "before_cursor_execute", split, retval=True)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", split)
