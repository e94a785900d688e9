"""Statements that reach the server as they are written, whatever the driver."""

import pytest
from alembic_live.postgres import databases
from alembic_live.postgres.connection import execute_verbatim, make_engine, with_connection
from server import Database
from sqlalchemy import Connection

NAME = "100%s %% : %(x)s"


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "psycopg2"])
def test_a_percent_sign_in_sql_is_itself(database: Database, driver: str) -> None:
    def values(connection: Connection) -> list[object]:
        with connection.begin():
            execute_verbatim(connection, f'CREATE TEMPORARY TABLE "{NAME}" (a text)')
            execute_verbatim(connection, f"""INSERT INTO "{NAME}" VALUES ('{NAME}')""")
            return list(execute_verbatim(connection, f'SELECT a FROM "{NAME}"').scalars())

    assert with_connection(make_engine(database.address(driver)), values) == [NAME]


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "psycopg2"])
def test_a_percent_sign_in_the_name_of_a_database_is_itself(
    database: Database, driver: str
) -> None:
    server, name = database.address(driver), f"{database.name}{NAME}"
    try:
        databases.administer(server, lambda connection: databases.create(connection, name))
        assert databases.administer(server, lambda connection: databases.exists(connection, name))
    finally:
        databases.administer(server, lambda connection: databases.drop(connection, name))
