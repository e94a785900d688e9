"""`db squash` knows which SQL changes the schema only, by the parser's types of statements."""

import pytest
from alembic_live.commands.squash.allowlist import OTHER_SCHEMA_STATEMENTS, changes_schema_only
from alembic_live.sql.parser import kind_of, statements_in

SCHEMA = [
    "ALTER TABLE t ADD a int; ALTER TYPE x ADD VALUE 'y'; ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM x",
    "ANALYZE; VACUUM t; CLUSTER t; REINDEX TABLE t; REFRESH MATERIALIZED VIEW v; LOCK TABLE t",
    "COMMENT ON TABLE t IS 'INSERT'; SECURITY LABEL ON TABLE t IS 'x'",
    "create /* x */ unlogged table t (a int GENERATED ALWAYS AS (1) STORED); CREATE TABLE p PARTITION OF t DEFAULT",
    "CREATE MATERIALIZED VIEW v AS SELECT 1; CREATE VIEW w AS SELECT 1; CREATE INDEX CONCURRENTLY i ON t (a)",
    "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM u; DELETE FROM v)",
    "CREATE PROCEDURE f() LANGUAGE sql BEGIN ATOMIC DELETE FROM t; END; DROP FUNCTION f()",
    "CREATE TYPE t AS (a int); CREATE TYPE u; CREATE AGGREGATE a (int) (sfunc = f, stype = int)",
    "GRANT SELECT ON t TO x; REVOKE a FROM b; ALTER TABLE t RENAME a TO b",
    "IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b; DROP OWNED BY x",
    "SET search_path = x; RESET ALL; SET CONSTRAINTS ALL DEFERRED; SET TRANSACTION READ ONLY",
    r"ALTER TABLE t ADD a text DEFAULT 'a'\:\:text",  # as op.execute wants it
]
ROWS = [
    "",
    " ; -- nothing",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP TABLE IF NOT EXISTS t (a) AS VALUES (1)",
    "CREATE TABLE t AS EXECUTE x",
    "SELECT 1 INTO t",
    "SELECT f()",
    "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
    "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
    "COPY t FROM STDIN",
    "TRUNCATE t",
    "DO 'BEGIN END'",
    "CALL f()",
    "EXPLAIN ANALYZE DELETE FROM t",
    "PREPARE x AS DELETE FROM t",
    "CREATE TABLE t (); INSERT INTO u VALUES (1)",
    "CREATE TABLE t ()\0; INSERT INTO u VALUES (1)",
    "CREATE SOMETHING x",  # of no Postgres that the parser knows
    "ALTER TABLE t ADD a int DEFAULT (1" + "+1" * 60 + ")",  # nested too deep
]


@pytest.mark.parametrize("sql", SCHEMA)
def test_what_changes_the_schema_only(sql: str) -> None:
    assert changes_schema_only(sql)


@pytest.mark.parametrize("sql", ROWS)
def test_what_may_change_rows(sql: str) -> None:
    assert not changes_schema_only(sql)


def test_each_type_on_the_list_exists() -> None:
    kinds = {kind_of(node) for sql in SCHEMA for node in statements_in(sql.replace(r"\:", ":"))}
    assert kinds >= OTHER_SCHEMA_STATEMENTS
