"""The sizes of tables, read from the server without waiting for locks."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from alembic_live.commands.plan.estimates.sizes import Sizes, TableSize, read_sizes
from alembic_live.commands.plan.rehearsal.effects import RelationName
from alembic_live.postgres.connection import make_engine, with_connection
from psycopg import sql
from server import Database

TABLES = """
    CREATE TABLE plain (id int PRIMARY KEY, note text);
    INSERT INTO plain SELECT i, repeat('x', 100) FROM generate_series(1, 1000) i;
    CREATE TABLE parts (id int, day int) PARTITION BY LIST (day);
    CREATE TABLE one PARTITION OF parts FOR VALUES IN (1);
    CREATE TABLE two PARTITION OF parts FOR VALUES IN (2) PARTITION BY RANGE (id);
    CREATE TABLE below PARTITION OF two DEFAULT;
    INSERT INTO parts SELECT i, 1 + i % 2 FROM generate_series(1, 1000) i;
    CREATE TABLE parent (id int);
    CREATE TABLE child () INHERITS (parent);
    INSERT INTO parent SELECT generate_series(1, 100);
    INSERT INTO child SELECT generate_series(1, 200);
    CREATE MATERIALIZED VIEW seen AS SELECT * FROM plain WHERE id <= 500;
    CREATE TABLE bare (id int);
    CREATE SCHEMA "the other";
    CREATE TABLE "the other"."a.b" (id int);
    INSERT INTO "the other"."a.b" SELECT generate_series(1, 7);
    CREATE VIEW shown AS SELECT * FROM plain;
    ANALYZE
"""


def sizes_in(database: Database, driver: str = "psycopg") -> Sizes:
    """The sizes of a database's tables."""
    return with_connection(make_engine(database.address(driver)), read_sizes)


@pytest.fixture
def filled(database: Database) -> Database:
    """A database with tables of every kind."""
    with database.connect() as connection:
        connection.execute(TABLES)
    return database


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_parent_has_the_rows_of_its_children(filled: Database, driver: str) -> None:
    sizes = sizes_in(filled, driver)
    assert {".".join(name): size.rows for name, size in sizes.items()} == {
        **{"public.bare": 0, "public.plain": 1000, "public.seen": 500, "the other.a.b": 7},
        **{"public.parts": 1000, "public.one": 500, "public.two": 500, "public.below": 500},
        **{"public.parent": 300, "public.child": 200},
    }
    whole, *parts = (sizes[RelationName("public", name)] for name in ("parts", "one", "below"))
    assert whole.heap == sum(part.heap for part in parts) > 0
    plain = sizes[RelationName("public", "plain")]
    assert plain.heap == filled.value("SELECT pg_table_size('plain')")
    assert plain.indexes == filled.value("SELECT pg_indexes_size('plain')") > 0


@pytest.mark.parametrize("change", ["LOCK plain", "REINDEX INDEX plain_pkey"])
def test_a_locked_table_has_its_recorded_size(filled: Database, change: str) -> None:
    before = sizes_in(filled)
    with filled.connect() as other, other.transaction():
        other.execute(change.encode())
        began = time.monotonic()
        during = sizes_in(filled)
        assert time.monotonic() - began < 1
    # The recorded size lacks the maps of free space and visibility.
    pages = filled.value("SELECT relpages FROM pg_class WHERE relname = 'plain'")
    plain = RelationName("public", "plain")
    assert during == {**before, plain: TableSize(1000, pages * 8192, before[plain].indexes)}


def test_a_locked_table_without_statistics_is_not_known(database: Database) -> None:
    database.query("CREATE TABLE orders (id int PRIMARY KEY)")
    with database.connect() as other, other.transaction():
        other.execute("LOCK orders")
        assert sizes_in(database)[RelationName("public", "orders")].rows is None
    assert sizes_in(database)[RelationName("public", "orders")].rows == 0


def test_a_session_that_waits_for_a_lock_is_not_waited_for(filled: Database) -> None:
    """ACCESS SHARE queues behind a session that waits for ACCESS EXCLUSIVE."""
    from threading import Thread

    def lock() -> None:
        with filled.connect() as waiting, waiting.transaction():
            waiting.execute("LOCK plain")

    thread = Thread(target=lock)
    with filled.connect() as reading, reading.transaction():
        reading.execute("SELECT FROM plain LIMIT 1")
        thread.start()
        while not filled.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            time.sleep(0.01)
        began = time.monotonic()
        assert sizes_in(filled)[RelationName("public", "plain")].rows == 1000
        assert time.monotonic() - began < 1
    thread.join()


@pytest.fixture
def stranger(filled: Database) -> Iterator[Database]:
    """The database for a role that may read nothing."""
    name = f"stranger {filled.name[-30:]}"
    with filled.connect() as connection:
        role = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(role))
        yield replace(filled, user=name, password="x")
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_role_without_rights_reads_the_same(filled: Database, stranger: Database) -> None:
    assert sizes_in(stranger) == sizes_in(filled)


def test_many_tables_are_read_in_one_query(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("""
            DO $$ BEGIN FOR i IN 1..500 LOOP
                EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, note text)', i);
            END LOOP; END $$
        """)
    began = time.monotonic()
    assert len(sizes_in(database)) == 500
    assert time.monotonic() - began < 5
