"""`db lint` knows which new type of a column costs no work: as many as Postgres, and the same."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from alembic_live.commands.lint.storage import keeps_storage
from server import Database

TYPES = (
    *("varchar", "VARCHAR(10)", "character varying(20)", "text", "char(5)", "bpchar", '"char"'),
    *("numeric", "NUMERIC(10, 2)", "decimal(12,2)", "numeric(12,3)", "numeric(10)", "name"),
    *("integer", "bigint", "oid", "bit", "bit(5)", "bit varying(3)", "varbit(5)", "varbit"),
    *("time(3)", "time with time zone", "timestamp", "timestamp(0)", "timestamp(6)", "timestamptz"),
    *("TIMESTAMP(3) WITH TIME ZONE", "interval", "interval(3)", "interval(6)", "cidr", "inet"),
    *("varchar(10)[]", "varchar(20)[]", "varchar[]", "text[]", "numeric(10,2)[]", "jsonb", "uuid"),
)
INTERVALS = (
    *("interval", "interval(3)", "interval year", "interval year to month", "interval day"),
    *("interval day to second(3)", "interval second(3)"),
)
FILES = "SELECT pg_relation_filenode('t'), pg_relation_filenode('i')"


def kept_by_postgres(connection: psycopg.Connection[Any], old: str, new: str) -> bool | None:
    """Whether Postgres keeps the files of the table and of an index; None if it refuses."""
    with connection.transaction(force_rollback=True):
        connection.execute(f"CREATE TABLE t (c {old}); CREATE INDEX i ON t (c)".encode())
        before = connection.execute(FILES).fetchone()
        try:
            connection.execute(f"ALTER TABLE t ALTER c TYPE {new}".encode())
        except psycopg.Error:
            return None
        return connection.execute(FILES).fetchone() == before


@pytest.fixture(scope="module")
def connection(server: Database) -> Iterator[psycopg.Connection[Any]]:
    with server.connect() as connection:
        connection.execute("SET timezone = 'Europe/Berlin'")  # with UTC, timestamptz is timestamp
        yield connection


def test_it_agrees_with_postgres(connection: psycopg.Connection[Any]) -> None:
    pairs = {(old, new): kept_by_postgres(connection, old, new) for old in TYPES for new in TYPES}
    possible = {pair: kept for pair, kept in pairs.items() if kept is not None}
    assert len(possible) > 300
    assert {pair: keeps_storage(*pair) for pair in possible} == possible


def test_it_promises_no_more_than_postgres_for_the_fields_of_intervals(
    connection: psycopg.Connection[Any],
) -> None:
    for old in INTERVALS:
        for new in INTERVALS:
            assert keeps_storage(old, new) <= bool(kept_by_postgres(connection, old, new))


def test_another_collation_is_work() -> None:
    assert not keeps_storage("varchar(10)", 'varchar(20) COLLATE "C"')
