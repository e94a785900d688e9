"""Tries changes of a table on an empty copy, to see what Postgres does."""

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_live.autogenerate.rendering import sql_name
from alembic_live.postgres.connection import execute_verbatim
from alembic_live.postgres.explanations import sqlstate

DATATYPE_MISMATCH = "42804"  # there is no automatic cast to the new type


def rewrites(connection: Connection, item: Any, *changes: str) -> bool | str:
    """Whether the last of the changes rewrites the table. The changes run on an empty copy of the
    table, in a savepoint that is rolled back. If Postgres rejects one, the SQLSTATE.
    """
    table = sql_name(item.schema, item.table_name)
    file_of_table = "SELECT pg_relation_filenode('pg_temp.probe')"
    savepoint = connection.begin_nested()
    try:
        execute_verbatim(connection, f"CREATE TEMPORARY TABLE probe (LIKE {table}) ON COMMIT DROP")
        files = []
        for change in changes:
            files.append(connection.exec_driver_sql(file_of_table).scalar())
            execute_verbatim(connection, f"ALTER TABLE pg_temp.probe {change}")
        return bool(connection.exec_driver_sql(file_of_table).scalar() != files[-1])
    except DBAPIError as error:
        return sqlstate(error)
    finally:
        savepoint.rollback()
