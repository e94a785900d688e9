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
from alembic_live.commands.plan.rehearsal.observation import mode_of
from alembic_live.commands.plan.rehearsal.recorder import Recorder
from alembic_live.commands.plan.rehearsal.statement import RehearsedStatement
from alembic_live.postgres.connection import make_engine, with_connection
from psycopg.errors import LockNotAvailable
from server import Database
from sqlalchemy import Connection

SCHEMA = '''
CREATE SCHEMA other;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION dice() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 4; END';
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE owners (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE other."Odd ""Table""" (id int PRIMARY KEY, "Some Column" text);
CREATE TABLE things (
    id int PRIMARY KEY, owner_id int, code varchar(10), note text, size int, price numeric(10, 2),
    at timestamptz, feeling mood, loose int, amount positive,
    CONSTRAINT things_owner FOREIGN KEY (owner_id) REFERENCES owners (id)
);
CREATE INDEX things_size ON things (size);
CREATE UNIQUE INDEX things_loose ON things (loose);
CREATE TRIGGER looks BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE POLICY mine ON things USING (true);
CREATE RULE quiet AS ON DELETE TO things WHERE OLD.id < 0 DO INSTEAD NOTHING;
CREATE TABLE children (id int PRIMARY KEY, thing_id int);
ALTER TABLE children ADD CONSTRAINT children_thing FOREIGN KEY (thing_id) REFERENCES things NOT VALID;
ALTER TABLE children ADD CONSTRAINT children_id CHECK (id >= 0) NOT VALID;
CREATE TABLE parted (id int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000);
CREATE TABLE apart (id int NOT NULL);
CREATE TABLE defaulted (id int NOT NULL, part int) PARTITION BY LIST (part);
CREATE TABLE defaulted_1 PARTITION OF defaulted FOR VALUES IN (1);
CREATE TABLE defaulted_rest PARTITION OF defaulted DEFAULT;
CREATE TABLE two (id int NOT NULL, part int);
CREATE TABLE free (id int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE free_1 PARTITION OF free FOR VALUES FROM (0) TO (1000);
CREATE TABLE bosses (id int PRIMARY KEY);
CREATE TABLE fans (id int PRIMARY KEY, boss_id int REFERENCES bosses ON DELETE CASCADE);
CREATE TABLE likes (fan_id int REFERENCES fans ON DELETE CASCADE);
CREATE TABLE rooms (area box, EXCLUDE USING gist (area WITH &&));
CREATE TABLE places (at point);
CREATE INDEX places_at ON places USING gist (at);
CREATE TABLE elders (id int);
CREATE TABLE young (age int) INHERITS (elders);
CREATE VIEW shown AS SELECT id FROM things;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM things;
CREATE UNIQUE INDEX counted_n ON counted (n);
CREATE SEQUENCE numbers;
CREATE FUNCTION adds_a_column() RETURNS void LANGUAGE plpgsql
    AS 'BEGIN ALTER TABLE things ADD COLUMN c int DEFAULT 4; END';
CREATE FUNCTION empties() RETURNS void LANGUAGE sql AS 'DELETE FROM children';
CREATE PROCEDURE proceeds() LANGUAGE plpgsql AS 'BEGIN LOCK TABLE elders; END';
'''

ROWS = '''
INSERT INTO owners SELECT n, n::text FROM generate_series(1, 100) n;
INSERT INTO things SELECT n, n, n, n, n, n, now(), 'good', n, n FROM generate_series(1, 100) n;
INSERT INTO children SELECT n, n FROM generate_series(1, 100) n;
INSERT INTO other."Odd ""Table""" SELECT n, n FROM generate_series(1, 100) n;
INSERT INTO parted SELECT n FROM generate_series(1, 100) n;
INSERT INTO apart SELECT n FROM generate_series(1000, 1100) n;
INSERT INTO defaulted SELECT n, 1 + n % 2 * 4 FROM generate_series(1, 100) n;
INSERT INTO two SELECT n, 2 FROM generate_series(1, 100) n;
INSERT INTO rooms SELECT box(point(n, n), point(n + 0.5, n + 0.5)) FROM generate_series(1, 100) n;
INSERT INTO places SELECT point(n, n) FROM generate_series(1, 100) n;
INSERT INTO free SELECT n FROM generate_series(1, 100) n;
INSERT INTO bosses SELECT n FROM generate_series(1, 100) n;
INSERT INTO fans SELECT n, n FROM generate_series(1, 100) n;
INSERT INTO likes SELECT n FROM generate_series(1, 100) n;
INSERT INTO young SELECT n, n FROM generate_series(1, 100) n;
REFRESH MATERIALIZED VIEW counted;
'''

STATEMENTS = '''
CREATE INDEX ON things (note)
CREATE UNIQUE INDEX i ON other."Odd ""Table""" ("Some Column")
CREATE INDEX i ON ONLY parted (id)
DROP INDEX things_size
DROP INDEX IF EXISTS public.things_size
ALTER INDEX things_size RENAME TO i
REINDEX TABLE things
REINDEX INDEX things_size
CREATE TABLE t (id int)
CREATE TABLE t (id int REFERENCES owners, thing_id int CONSTRAINT x REFERENCES public.things (id))
CREATE TABLE t (id int, FOREIGN KEY (id) REFERENCES other."Odd ""Table""")
CREATE TABLE IF NOT EXISTS things (id int REFERENCES owners)
CREATE TABLE t PARTITION OF parted FOR VALUES FROM (5000) TO (6000)
CREATE TABLE t (CHECK (id > 0)) INHERITS (elders)
CREATE TABLE t AS SELECT * FROM things
CREATE TEMPORARY TABLE t (id int)
DROP TABLE children
DROP TABLE IF EXISTS other."Odd ""Table"""
DROP TABLE owners CASCADE
TRUNCATE children, apart
TRUNCATE TABLE owners CASCADE
LOCK TABLE things
LOCK things IN SHARE ROW EXCLUSIVE MODE
LOCK TABLE ONLY things IN ROW SHARE MODE
CLUSTER things USING things_size
ANALYZE things
CREATE TRIGGER t BEFORE UPDATE OF size ON things FOR EACH ROW EXECUTE FUNCTION nothing()
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON things FOR EACH ROW EXECUTE FUNCTION nothing()
CREATE TRIGGER t AFTER UPDATE ON things REFERENCING NEW TABLE AS n EXECUTE FUNCTION nothing()
DROP TRIGGER looks ON things
ALTER TRIGGER looks ON things RENAME TO t
CREATE RULE r AS ON UPDATE TO things DO NOTHING
DROP RULE quiet ON things
CREATE POLICY p ON things USING (true)
ALTER POLICY mine ON things USING (false)
DROP POLICY mine ON things
CREATE STATISTICS s ON size, code FROM things
COMMENT ON TABLE things IS 'a table'
COMMENT ON COLUMN public.things.size IS 'a column'
COMMENT ON COLUMN other."Odd ""Table"""."Some Column" IS 'a column'
COMMENT ON CONSTRAINT things_owner ON things IS 'a constraint'
COMMENT ON INDEX things_size IS 'an index'
INSERT INTO things (id) VALUES (1000)
INSERT INTO public.things SELECT id + 1000 FROM owners
UPDATE things SET size = size + 1 WHERE id > 5
DELETE FROM children
MERGE INTO children USING owners ON owners.id = children.id WHEN MATCHED THEN DELETE
CREATE VIEW v AS SELECT * FROM things
CREATE OR REPLACE VIEW shown AS SELECT id FROM things WHERE id > 5
ALTER VIEW shown RENAME TO v
DROP VIEW shown
CREATE MATERIALIZED VIEW m AS SELECT * FROM things
REFRESH MATERIALIZED VIEW counted
REFRESH MATERIALIZED VIEW CONCURRENTLY counted
DROP MATERIALIZED VIEW counted
CREATE TYPE t AS ENUM ('a')
ALTER TYPE mood ADD VALUE 'so-so'
ALTER TYPE mood RENAME VALUE 'good' TO 'fine'
ALTER TYPE mood RENAME TO moods
CREATE SEQUENCE s
DROP SEQUENCE numbers
CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END
DROP FUNCTION dice()
CREATE SCHEMA s
GRANT SELECT ON things TO PUBLIC
REVOKE ALL ON TABLE things FROM PUBLIC
SET LOCAL statement_timeout = 0
SELECT setval('numbers', 7)
ALTER TABLE things ADD COLUMN c int
ALTER TABLE things ADD c int NOT NULL DEFAULT 5
ALTER TABLE things ADD COLUMN c timestamptz DEFAULT now()
ALTER TABLE things ADD COLUMN IF NOT EXISTS c uuid DEFAULT gen_random_uuid()
ALTER TABLE things ADD COLUMN c int DEFAULT dice() NOT NULL
ALTER TABLE things ADD COLUMN c text DEFAULT lower('random()')
ALTER TABLE things ADD COLUMN c varchar(9) DEFAULT 'a'::varchar(9)
ALTER TABLE things ADD COLUMN c serial
ALTER TABLE things ADD COLUMN c int GENERATED BY DEFAULT AS IDENTITY
ALTER TABLE things ADD COLUMN c int GENERATED ALWAYS AS (size * 2) STORED
ALTER TABLE things ADD COLUMN c int REFERENCES owners (id)
ALTER TABLE things ADD COLUMN c int DEFAULT 1 REFERENCES owners
ALTER TABLE things ADD COLUMN c int UNIQUE
ALTER TABLE things ADD COLUMN c int DEFAULT 1 CHECK (c > 0)
ALTER TABLE things ADD COLUMN c positive DEFAULT 3
ALTER TABLE things DROP COLUMN size
ALTER TABLE things DROP COLUMN owner_id
ALTER TABLE things ALTER COLUMN code TYPE varchar(20)
ALTER TABLE things ALTER code SET DATA TYPE text
ALTER TABLE things ALTER COLUMN code TYPE varchar(5)
ALTER TABLE things ALTER COLUMN note TYPE varchar(50)
ALTER TABLE things ALTER COLUMN note TYPE varchar
ALTER TABLE things ALTER COLUMN note TYPE text USING note::text
ALTER TABLE things ALTER COLUMN note TYPE text USING upper(note)
ALTER TABLE things ALTER COLUMN size TYPE bigint
ALTER TABLE things ALTER COLUMN price TYPE numeric(12, 2)
ALTER TABLE things ALTER COLUMN price TYPE numeric
ALTER TABLE things ALTER COLUMN price TYPE numeric(12, 3)
ALTER TABLE things ALTER COLUMN size TYPE text USING size::text
ALTER TABLE things ALTER COLUMN feeling TYPE text
ALTER TABLE things ALTER COLUMN size SET NOT NULL
ALTER TABLE owners ALTER COLUMN name DROP NOT NULL
ALTER TABLE things ALTER COLUMN size SET DEFAULT 5
ALTER TABLE things ALTER COLUMN size DROP DEFAULT
ALTER TABLE things ALTER COLUMN size SET STATISTICS 10
ALTER TABLE things ALTER COLUMN size SET (n_distinct = 5)
ALTER TABLE things ALTER COLUMN note SET STORAGE EXTERNAL
ALTER TABLE owners ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY
ALTER TABLE things SET (fillfactor = 70)
ALTER TABLE things RESET (fillfactor)
ALTER TABLE children SET UNLOGGED
ALTER TABLE things CLUSTER ON things_size
ALTER TABLE things SET WITHOUT CLUSTER
ALTER TABLE things SET SCHEMA other
ALTER TABLE things OWNER TO CURRENT_USER
ALTER TABLE things REPLICA IDENTITY FULL
ALTER TABLE things ENABLE ROW LEVEL SECURITY
ALTER TABLE things DISABLE TRIGGER looks
ALTER TABLE things DISABLE RULE quiet
ALTER TABLE things RENAME TO stuff
ALTER TABLE things RENAME COLUMN size TO height
ALTER TABLE things RENAME CONSTRAINT things_owner TO k
ALTER TABLE things ADD CONSTRAINT k CHECK (size > 0)
ALTER TABLE things ADD CHECK (size > 0) NOT VALID
ALTER TABLE children ADD CONSTRAINT k FOREIGN KEY (thing_id) REFERENCES things (id)
ALTER TABLE children ADD FOREIGN KEY (thing_id) REFERENCES things (id) ON DELETE CASCADE NOT VALID
ALTER TABLE things ADD FOREIGN KEY (id) REFERENCES things
ALTER TABLE things ADD UNIQUE (note)
ALTER TABLE things ADD CONSTRAINT k UNIQUE USING INDEX things_loose
ALTER TABLE apart ADD PRIMARY KEY (id)
ALTER TABLE things ADD CONSTRAINT k EXCLUDE (code WITH =)
ALTER TABLE children VALIDATE CONSTRAINT children_thing
ALTER TABLE children VALIDATE CONSTRAINT children_id
ALTER TABLE things DROP CONSTRAINT things_owner
ALTER TABLE children DROP CONSTRAINT IF EXISTS children_id
ALTER TABLE owners DROP CONSTRAINT owners_pkey CASCADE
ALTER TABLE things ALTER CONSTRAINT things_owner DEFERRABLE
ALTER TABLE parted ATTACH PARTITION apart FOR VALUES FROM (1000) TO (2000)
ALTER TABLE parted DETACH PARTITION parted_1
ALTER TABLE children INHERIT elders
ALTER TABLE things ADD COLUMN c int, ALTER size SET STATISTICS 5, DROP COLUMN code
ALTER TABLE IF EXISTS ONLY things ADD COLUMN c int DEFAULT 1, ADD CHECK (c > 0) NOT VALID
DO $$ BEGIN ALTER TABLE things ADD COLUMN c int; END $$
DO $$ BEGIN EXECUTE 'CREATE INDEX i ON things (at)'; UPDATE owners SET name = 'n'; END $$
DO $$ BEGIN TRUNCATE apart; END $$
SELECT dice()
SELECT adds_a_column()
SELECT empties()
CALL proceeds()
WITH gone AS (DELETE FROM children RETURNING id) SELECT * FROM gone
DROP TYPE mood CASCADE
DROP SCHEMA other CASCADE
DROP FUNCTION nothing() CASCADE
ALTER DOMAIN positive ADD CHECK (VALUE < 999)
ALTER DOMAIN positive ADD CONSTRAINT k CHECK (VALUE < 999) NOT VALID
DROP TABLE parted_1
DROP TABLE parted
DROP TABLE defaulted_1
DROP TABLE elders CASCADE
DROP VIEW shown CASCADE
TRUNCATE parted
TRUNCATE rooms
CLUSTER places USING places_at
UPDATE parted SET id = id + 1
DELETE FROM defaulted WHERE part = 1
DELETE FROM bosses WHERE id > 50
ALTER TABLE defaulted ATTACH PARTITION two FOR VALUES IN (2)
ALTER TABLE defaulted DETACH PARTITION defaulted_1
ALTER TABLE parted ADD COLUMN c int
ALTER TABLE parted ADD COLUMN c int DEFAULT dice()
ALTER TABLE parted ADD PRIMARY KEY (id)
ALTER TABLE defaulted ALTER COLUMN id TYPE bigint
CREATE INDEX ON parted (id)
ALTER TABLE elders ADD COLUMN c int DEFAULT dice()
ALTER TABLE elders ALTER COLUMN id SET NOT NULL
ALTER TABLE things ADD FOREIGN KEY (size) REFERENCES owners, ADD CHECK (size > 0)
ALTER TABLE parted ADD FOREIGN KEY (id) REFERENCES owners
ALTER TABLE apart ADD COLUMN c int GENERATED ALWAYS AS IDENTITY PRIMARY KEY
ALTER SEQUENCE numbers RESTART
ALTER SEQUENCE numbers OWNED BY things.size
SELECT nextval('numbers')
ALTER INDEX things_size SET (fillfactor = 70)
ALTER INDEX things_pkey RENAME TO p
ALTER TABLE things RENAME CONSTRAINT things_pkey TO p
ALTER MATERIALIZED VIEW counted RENAME COLUMN n TO m
ALTER TABLE things INHERIT elders
COPY (SELECT 1) TO '/dev/null'
CREATE TABLE t (LIKE things INCLUDING ALL)
CREATE TABLE t AS TABLE things WITH NO DATA
CREATE EXTENSION IF NOT EXISTS plpgsql
ALTER TABLE things ALTER COLUMN note TYPE text COLLATE "C"
ALTER TABLE things ALTER COLUMN at TYPE timestamp
ALTER TABLE things ALTER COLUMN code TYPE varchar(20), ALTER COLUMN size TYPE bigint
ALTER TABLE things SET TABLESPACE pg_default
ALTER TABLE things ENABLE TRIGGER ALL
SET CONSTRAINTS ALL DEFERRED
'''

CONCURRENTLY = '''
CREATE INDEX CONCURRENTLY i ON things (note)
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON other."Odd ""Table""" ("Some Column")
DROP INDEX CONCURRENTLY IF EXISTS things_size
REINDEX INDEX CONCURRENTLY things_size
REINDEX TABLE CONCURRENTLY things
ALTER TABLE free DETACH PARTITION free_1 CONCURRENTLY
VACUUM things
VACUUM (ANALYZE) things
VACUUM FULL owners
'''

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
