"""What a rehearsal on empty tables shows is what Postgres does on tables with rows: the same locks, and
the same tables that are read and rewritten.
"""

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from alembic_live.address import Address
from alembic_live.commands.plan.rehearsal.effects import LockMode, WorkKind
from alembic_live.commands.plan.rehearsal.recorder import Recorder
from alembic_live.commands.plan.rehearsal.relations import mode_of
from alembic_live.commands.plan.rehearsal.statement import RehearsedStatement
from alembic_live.postgres.connection import make_engine, with_connection
from psycopg.errors import LockNotAvailable
from server import Database
from sqlalchemy import Connection
from statements_on_tables import CONCURRENTLY, ROWS, SCHEMA, STATEMENTS

RELATIONS = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, pg_relation_filenode(c.oid),
    coalesce(s.seq_tup_read, 0) + coalesce(s.idx_tup_fetch, 0), c.reltuples,
    CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_size(c.oid) END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid
WHERE c.oid >= 16384 AND n.nspname !~ '^pg_toast' AND c.relkind <> 't'
"""
HELD = """
SELECT relation, mode FROM pg_locks
WHERE pid = {pid} AND locktype = 'relation' AND relation >= 16384
"""
TABLES = ("r", "p", "m")

Names = dict[str, LockMode]


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.fixture(scope="module", params=["psycopg", "asyncpg"])
def empty(request: pytest.FixtureRequest, server: Database) -> Iterator[Address]:
    """A database with the schema."""
    with server.another(f"empty_{request.param}_{os.getpid()}") as database:
        database.query(SCHEMA)
        yield database.address(request.param)


@pytest.fixture(scope="module")
def full(server: Database) -> Iterator[Database]:
    """A database with the schema and rows."""
    with server.another(f"full_{os.getpid()}") as database:
        database.query(SCHEMA)
        database.query(ROWS)
        database.query("ANALYZE")
        yield database


def rehearsed(database: Address, sql: str, *, outside: bool = False) -> RehearsedStatement:
    """What the rehearsal says of a statement, which is rolled back if it is in a transaction."""

    def work(connection: Connection) -> RehearsedStatement:
        recorder = Recorder(connection, database, [])
        if outside:
            connection.execution_options(isolation_level="AUTOCOMMIT")
        with recorder.recording([__file__]):
            connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
        connection.rollback()
        [statement] = recorder.statements
        return statement

    return with_connection(make_engine(database), work)


def locks_of(statement: RehearsedStatement) -> Names:
    """The locks on relations that were there before, if they are more than those of readers."""
    return {
        ".".join(lock.relation): lock.mode
        for lock in statement.locks
        if not lock.is_new and lock.mode > LockMode.ROW_SHARE
    }


class Truth:
    """What a statement does in a database with rows."""

    def __init__(self, before: list[Any], after: list[Any], held: list[Any]) -> None:
        names = {row[0]: f"{row[1]}.{row[2]}" for row in before}
        now = {row[0]: row for row in after}
        self.locks: Names = {}
        for oid, mode in held:
            if oid in names and mode_of(mode) > LockMode.ROW_SHARE:
                name = names[oid]
                self.locks[name] = max(mode_of(mode), self.locks.get(name, mode_of(mode)))
        tables = [(row, now[row[0]]) for row in before if row[0] in now and row[3] in TABLES]
        self.renewed = {names[row[0]] for row, new in tables if row[4] != new[4]}
        self.read = {names[row[0]] for row, new in tables if new[5] > row[5]} - self.renewed
        self.empty = {names[row[0]] for row, _ in tables if row[6] <= 0}
        self.emptied = {names[row[0]] for row, new in tables if row[7] and not new[7]}


@pytest.mark.parametrize("sql", lines(STATEMENTS))
def test_a_statement_in_a_transaction(empty: Address, full: Database, sql: str) -> None:
    said = rehearsed(empty, sql)
    with full.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("SELECT pg_stat_force_next_flush()")
        before = connection.execute(RELATIONS).fetchall()
        connection.execute(sql.encode())
        after = connection.execute(RELATIONS).fetchall()
        held = connection.execute(HELD.format(pid="pg_backend_pid()").encode()).fetchall()
    truth = Truth(before, after, held)
    assert locks_of(said) == truth.locks
    renews = (WorkKind.REWRITES, WorkKind.FILLS)
    emptied = {".".join(name) for name in said.emptied}
    renewed = {".".join(work.table) for work in said.works if work.kind in renews}
    assert renewed | (emptied & truth.renewed) == truth.renewed | (renewed & truth.read)
    others = {".".join(work.other) for work in said.works if work.other}
    worked = {".".join(work.table) for work in said.works}
    assert truth.read <= worked | others | emptied
    assert truth.emptied <= emptied
    assert not truth.emptied & renewed
    if not any(work.kind is WorkKind.CHANGES for work in said.works):  # which has its own plan
        assert worked - renewed - truth.empty <= truth.read | truth.renewed


def test_a_scan_counts_for_its_own_transaction(server: Database) -> None:
    statements = ("ALTER TABLE things ADD CHECK (size > 0)", "ALTER TABLE things ADD COLUMN c int")

    def work(connection: Connection) -> list[RehearsedStatement]:
        recorder = Recorder(connection, database.address("psycopg"), [])
        with recorder.recording([__file__]):
            for statement in statements:
                with connection.begin():
                    connection.exec_driver_sql(statement)
        return recorder.statements

    with server.another(f"twice_{os.getpid()}") as database:
        database.query(SCHEMA)
        one, other = with_connection(make_engine(database.address("psycopg")), work)
    assert [work.kind for work in one.works] == [WorkKind.READS]
    assert other.works == []
    assert one.transaction != other.transaction


def test_a_savepoint_that_is_rolled_back_has_done_nothing(server: Database) -> None:
    def work(connection: Connection) -> list[RehearsedStatement]:
        recorder = Recorder(connection, database.address("psycopg"), [])
        with recorder.recording([__file__]), connection.begin():
            savepoint = connection.begin_nested()
            connection.exec_driver_sql("ALTER TABLE things ALTER size TYPE bigint")
            savepoint.rollback()
            connection.exec_driver_sql("ALTER TABLE things ADD COLUMN c int")
        return [each for each in recorder.statements if each.locks]  # apart from SAVEPOINT

    with server.another(f"nested_{os.getpid()}") as database:
        database.query(SCHEMA)
        one, other = with_connection(make_engine(database.address("psycopg")), work)
    assert [work.kind for work in one.works] == [WorkKind.REWRITES]
    assert other.works == []
    assert [lock.mode for lock in other.locks] == [LockMode.ACCESS_EXCLUSIVE]


@pytest.mark.parametrize("sql", lines(CONCURRENTLY))
def test_a_statement_outside_of_transactions(
    server: Database, empty: Address, full: Database, sql: str
) -> None:
    del empty  # it would be changed
    with server.another(f"scratch_{os.getpid()}", "template1") as scratch:
        scratch.query(SCHEMA)
        said = rehearsed(scratch.address("psycopg"), sql, outside=True)
    assert said.is_outside
    weak = LockMode.ROW_EXCLUSIVE  # that of VACUUM on indexes blocks nobody
    strong = {name: mode for name, mode in locks_of(said).items() if mode > weak}
    assert strong == really_locked(full, sql)


def really_locked(full: Database, sql: str) -> Names:
    """The locks that a statement takes while others come and go in its way."""
    seen: Names = {}
    with (
        full.another(f"busy_{os.getpid()}", full.name) as database,
        database.connect() as worker,
        database.connect() as watcher,
        database.connect() as writer,
        database.connect() as later,
    ):
        rows = watcher.execute(RELATIONS).fetchall()
        names = {row[0]: f"{row[1]}.{row[2]}" for row in rows}
        tables = ", ".join(
            f'"{row[1]}"."{row[2].replace(chr(34), chr(34) * 2)}"' for row in rows if row[3] == "r"
        )
        pid = worker.info.backend_pid
        writer.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        writer.execute("SELECT 1")
        # CONCURRENTLY waits for writers. VACUUM waits only for another VACUUM.
        mode = "SHARE UPDATE EXCLUSIVE" if sql.startswith("VACUUM") else "ROW EXCLUSIVE"
        writer.execute(f"LOCK TABLE {tables} IN {mode} MODE".encode())
        thread = threading.Thread(target=worker.execute, args=(sql.encode(),))
        thread.start()
        end = time.monotonic() + 20
        while thread.is_alive() and time.monotonic() < end:
            time.sleep(0.02)
            for oid, mode in watcher.execute(HELD.format(pid=pid).encode()).fetchall():
                if oid in names and mode_of(mode) > LockMode.ROW_EXCLUSIVE:
                    name = names[oid]
                    seen[name] = max(mode_of(mode), seen.get(name, mode_of(mode)))
            later.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            later.execute("SELECT 1; SAVEPOINT s")
            try:
                later.execute(f"LOCK TABLE {tables} IN ROW EXCLUSIVE MODE NOWAIT".encode())
            except LockNotAvailable:
                later.execute("ROLLBACK TO SAVEPOINT s")
            writer.execute("COMMIT")
            writer, later = later, writer
        writer.execute("ROLLBACK")
        thread.join()
    return seen
