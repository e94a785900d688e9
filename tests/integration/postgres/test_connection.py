"""Statements that reach the server as they are written, whatever the driver, and limits on the number
of connections.
"""

import logging
import threading

import psycopg
import pytest
from alembic.util import CommandError
from alembic_live.postgres import databases
from alembic_live.postgres.connection import execute_verbatim, make_engine, with_connection
from roles import a_role
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


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "psycopg2"])
def test_a_connection_that_is_free_in_a_moment(
    database: Database, driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A session that has ended counts for a moment."""
    caplog.set_level(logging.INFO, logger="alembic.migrations")

    def one(connection: Connection) -> object:
        return connection.exec_driver_sql("SELECT 1").scalar_one()

    with a_role(database, "CONNECTION LIMIT 1") as owner:
        engine = make_engine(owner.address(driver))
        holder = psycopg.connect(
            host=owner.host, port=owner.port, user=owner.user, password=owner.password,
            dbname=owner.name,
        )  # fmt: skip
        with pytest.raises(CommandError, match=r"too many connections for role .* LIMIT 10;"):
            with_connection(engine, one, insists=False)
        assert caplog.messages == []
        released = threading.Timer(0.5, holder.close)
        released.start()
        assert with_connection(engine, one) == 1
        released.join()
    [text] = caplog.messages
    assert text.startswith("Waiting for a free connection: ")
    assert "too many connections for role" in text
