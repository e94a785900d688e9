"""What `db plan` says of locks is what Postgres does: each statement is executed and taken back, and
the server tells what it has locked, read and written.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic_live.address import Address
from alembic_live.commands.plan.catalog_queries import read_catalog
from alembic_live.commands.plan.lock_rules import Effect, LockMode, RuleWork
from alembic_live.commands.plan.locks import effects_of
from alembic_live.postgres.connection import make_engine
from alembic_live.sql.statements import Name, Statement, statements_in
from server import Database
from sqlalchemy import Connection, Row

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
    at timestamptz, feeling mood, loose int,
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
CREATE TABLE elders (id int);
CREATE VIEW shown AS SELECT id FROM things;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM things;
CREATE UNIQUE INDEX counted_n ON counted (n);
CREATE SEQUENCE numbers;
INSERT INTO owners SELECT n, n::text FROM generate_series(1, 100) n;
INSERT INTO things SELECT n, n, n, n, n, n, now(), 'good', n FROM generate_series(1, 100) n;
INSERT INTO children SELECT n, n FROM generate_series(1, 100) n;
INSERT INTO other."Odd ""Table""" SELECT n, n FROM generate_series(1, 100) n;
INSERT INTO parted SELECT n FROM generate_series(1, 100) n;
INSERT INTO apart SELECT n FROM generate_series(1000, 1100) n;
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
'''

CONCURRENTLY = '''
CREATE INDEX CONCURRENTLY i ON things (note)
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON other."Odd ""Table""" ("Some Column")
DROP INDEX CONCURRENTLY IF EXISTS things_size
REINDEX INDEX CONCURRENTLY things_size
REINDEX TABLE CONCURRENTLY things
'''

UNKNOWN = """
DO $$ BEGIN ALTER TABLE things ADD COLUMN c int; END $$
SELECT dice()
WITH gone AS (DELETE FROM children RETURNING id) SELECT * FROM gone
DROP TYPE mood CASCADE
ALTER DOMAIN positive ADD CHECK (VALUE < 9)
VACUUM things
CALL something()
DROP INDEX nowhere
"""

FILES = """
SELECT c.oid, n.nspname, c.relname, pg_relation_filenode(c.oid), coalesce(s.seq_tup_read, 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid
WHERE n.nspname IN ('public', 'other') AND c.relkind IN ('r', 'p', 'm', 'v')
"""

HELD = """
SELECT relation, mode FROM pg_locks
WHERE pid = {pid} AND locktype = 'relation' AND granted
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.fixture(scope="module")
def place(server: Database) -> Iterator[Address]:
    """A database with the schema in it."""
    with server.another(f"locks_{os.getpid()}") as database:
        database.query(SCHEMA)
        database.query("ANALYZE")
        yield database.address("psycopg")


@contextmanager
def connected(address: Address, **options: Any) -> Iterator[Connection]:
    engine = make_engine(address, **options)
    with engine.connect() as connection:
        yield connection


def foreseen(connection: Connection, statement: Statement) -> list[Effect] | None:
    """What the plan says."""
    catalog = read_catalog(connection, statement.names())
    connection.rollback()
    return effects_of(statement, catalog)


@pytest.mark.parametrize("sql", lines(STATEMENTS))
def test_a_statement_locks_what_the_plan_says(place: Address, sql: str) -> None:
    [statement] = statements_in(sql)
    with connected(place) as connection:
        said = foreseen(connection, statement)
        assert said is not None
        before = {row[0]: row for row in connection.exec_driver_sql(FILES)}
        connection.rollback()
        connection.exec_driver_sql(sql.replace("%", "%%"))
        after = {row[0]: row for row in connection.exec_driver_sql(FILES)}
        held = connection.exec_driver_sql(HELD.format(pid="pg_backend_pid()")).all()
        connection.rollback()
    locked = strongest(before, held)
    children = {Name("public", "parted_1")} - {effect.table for effect in said}
    modes = {effect.table: effect.mode for effect in said if old(before, effect.table)}
    assert modes == {
        table: mode
        for table, mode in locked.items()
        if (mode > LockMode.ROW_SHARE or table in modes) and table not in children
    }
    if statement.text.startswith("TRUNCATE"):
        return  # which leaves nothing to be read or written
    altered = statement.text.startswith("ALTER TABLE ")
    for effect in said:
        for oid, schema, name, file, _ in before.values():
            if (
                Name(schema, name) != effect.table
                or oid not in after
                or effect.work is RuleWork.CHANGES
            ):
                continue
            is_rewritten = after[oid][3] != file
            is_read = after[oid][4] > 0
            allowed = {
                RuleWork.REWRITES: is_rewritten,
                RuleWork.MAY_REWRITE: True,
                RuleWork.READS: is_read and not is_rewritten,
                # The tables that a foreign key refers to may be read too: no more than its own.
                None: not is_rewritten and not (is_read and altered and effect is said[0]),
            }
            assert allowed[effect.work], (effect, is_rewritten, is_read)


@pytest.mark.parametrize("sql", lines(CONCURRENTLY))
def test_so_does_one_that_leaves_others_alone(place: Address, sql: str) -> None:
    [statement] = statements_in(sql)
    with connected(place) as looker:
        said = foreseen(looker, statement)
        assert said is not None
    with (
        connected(place) as writer,
        connected(place, isolation_level="AUTOCOMMIT") as worker,
        connected(place, isolation_level="AUTOCOMMIT") as watcher,  # nobody waits for its snapshot
    ):
        before = {row[0]: row for row in watcher.exec_driver_sql(FILES)}
        [table] = [effect.table for effect in said]
        name = '"' + table.name.replace('"', '""') + '"'
        writer.exec_driver_sql(f"LOCK TABLE {table.schema}.{name} IN ROW EXCLUSIVE MODE")
        pid = worker.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        thread = threading.Thread(target=worker.exec_driver_sql, args=(sql,))
        thread.start()
        seen: dict[Name, LockMode] = {}
        deadline = time.monotonic() + 20
        while table not in seen and time.monotonic() < deadline:
            held = watcher.exec_driver_sql(HELD.format(pid=pid)).all()
            seen = strongest(before, held)
        writer.rollback()  # it has waited for this
        thread.join()
        with connected(place) as mender:
            mender.exec_driver_sql("DROP INDEX IF EXISTS i, other.i")
            mender.exec_driver_sql("CREATE INDEX IF NOT EXISTS things_size ON things (size)")
            mender.commit()
    assert seen == {effect.table: effect.mode for effect in said}


@pytest.mark.parametrize("sql", lines(UNKNOWN))
def test_what_is_not_known_is_not_guessed(place: Address, sql: str) -> None:
    [statement] = statements_in(sql)
    with connected(place) as connection:
        assert foreseen(connection, statement) is None


def old(before: dict[int, Row[*tuple[Any, ...]]], table: Name) -> bool:
    return any((row[1], row[2]) == table for row in before.values())


def strongest(before: dict[int, Row[*tuple[Any, ...]]], held: object) -> dict[Name, LockMode]:
    """By table, of those that were there before."""
    found: dict[Name, LockMode] = {}
    for oid, words in held:  # type: ignore[attr-defined]
        if oid in before:
            name = Name(str(before[oid][1]), str(before[oid][2]))
            mode = next(m for m in LockMode if m.name.replace("_", "") + "LOCK" == words.upper())
            found[name] = max(found.get(name, mode), mode)
    return found
