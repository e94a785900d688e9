"""`update_in_batches` and `delete_in_batches` change each row once, whenever they are killed."""

from functools import partial
from typing import LiteralString

import pytest
from alembic_live.postgres.dump import read_schema
from bench import Bench
from campaigns import campaign
from edit import edit
from migrating import wait_for
from project import PATIENCE, said, wait_until
from revisions import revise
from sample import NewProject
from server import Database
from standby import pair

ALL_ONCE = "SELECT min(n), max(n), count(*) FROM many"
LEFT = "SELECT to_regclass('alembic_live_progress')"
SLOWLY = """
    CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_sleep(0.002);
        RETURN new;
    END $$;
    CREATE TRIGGER slowly BEFORE UPDATE ON many FOR EACH ROW EXECUTE FUNCTION slowly()
"""


def create_many(database: Database, key: LiteralString, values: LiteralString) -> None:
    """A table with 5,000 rows."""
    with database.connect() as connection:
        connection.execute(f"CREATE TABLE many ({key}, n int NOT NULL DEFAULT 0, word text)")
        connection.execute(f"INSERT INTO many SELECT {values} FROM generate_series(1, 5000) AS i")


KEYS: dict[str, tuple[LiteralString, LiteralString]] = {
    "number": ("id bigint PRIMARY KEY", "i"),
    "two columns": ('"a:b" int, "c%d" date, PRIMARY KEY ("a:b", "c%d")', "i % 7, '2000-01-01'::date + i"),
    "text": ("id varchar(20) PRIMARY KEY", "'it''s \\ ' || i"),
    "fixed length": ("id char(8) PRIMARY KEY", "'é' || i"),
    "uuid": ("id uuid PRIMARY KEY", "gen_random_uuid()"),
    "time": ("id timestamptz PRIMARY KEY", "'2000-01-01'::timestamptz + i * interval '1.000001 s'"),
    "included": ("id int NOT NULL, UNIQUE (id) INCLUDE (n)", "i"),
    "partitions": (
        "id int, n int NOT NULL DEFAULT 0, word text, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
        "CREATE TABLE one PARTITION OF many FOR VALUES FROM (0) TO (3000);"
        "CREATE TABLE two PARTITION OF many FOR VALUES FROM (3000) TO (9000);"
        "CREATE TABLE of_no_use (id int",
        "i",
    ),
}  # fmt: skip


@campaign("key", KEYS, keep=["two columns", "fixed length", "partitions"])
@campaign("driver", ["asyncpg", "psycopg", "psycopg2"], keep=["asyncpg"])
def test_each_row_is_changed_once(
    bench: Bench, key: tuple[LiteralString, LiteralString], driver: str
) -> None:
    create_many(bench.database, *key)
    bench.project = bench.project.given(DB_DRIVER_SYNC=driver.removeprefix("asyncpg"))
    call = """update_in_batches("many", "n = n + 1, word = '10:30 % {x}' -- x", where="word IS NULL -- y")"""
    text = bench.upgrade(call)
    assert 'Changed 5,000 rows of "many" in' in text
    assert bench.database.query(ALL_ONCE) == [(1, 1, 5000)]
    assert bench.database.query("SELECT DISTINCT word FROM many") == [("10:30 % {x}",)]
    bench.upgrade("""delete_in_batches("many", where="n % 2 = 1 AND word <> ':no'")""")
    assert bench.database.query("SELECT count(*) FROM many") == [(0,)]
    assert bench.database.query(LEFT) == [(None,)]


@campaign("times", [1, 5], keep=[1])
def test_a_killed_run_goes_on_where_it_stopped(bench: Bench, times: int) -> None:
    create_many(bench.database, *KEYS["number"])
    bench.upgrade("drop_not_null('many', 'word')")
    bench.database.query("DROP TABLE alembic_version")
    bench.database.query(SLOWLY)
    path = bench.project.versions[0]
    edit(path, "operations.drop_not_null('many', 'word')", FIRST_AND_SECOND)
    for number in range(times):
        at_least = 3000 * number // times + 500
        process = bench.project.begin("alembic", "upgrade", "head")
        wait_until(partial(has_seen, bench.database, at_least))
        process.kill()
        process.communicate()
    names = {found.name for found in read_schema(bench.database.address())}
    assert "many" in names
    assert "alembic_live_progress" not in " ".join(names)
    bench.project.alembic("stamp", "head")
    assert "alembic_live_progress" not in said(bench.project.alembic("check", ok=False))
    bench.project.alembic("stamp", "base")
    bench.database.query("DROP TRIGGER slowly ON many")
    at = seen(bench.database)
    bench.project.alembic("upgrade", "head")
    assert at < 5000
    assert bench.database.query(ALL_ONCE) == [(2, 2, 5000)]
    assert bench.database.query(LEFT) == [(None,)]


FIRST_AND_SECOND = """operations.update_in_batches("many", "n = n + 1")
    operations.update_in_batches("many", "n = 1 + n")"""


@pytest.mark.full
def test_it_waits_for_a_standby(new_project: NewProject) -> None:
    project = new_project(example=False)
    edit(project.library / "operations" / "rows.py", "MOST_LAG = 10", "MOST_LAG = 1")
    with pair() as servers:
        create_many(servers.first, *KEYS["number"])
        servers.first.query(SLOWLY)
        wait_until(lambda: servers.second.value("SELECT to_regclass('many') IS NOT NULL"))
        servers.second.query("SELECT pg_wal_replay_pause()")
        project = project.given(**servers.first.environment)
        revise(project, "r1", 'operations.update_in_batches("many", "n = n + 1")', follows=None)
        migrating = project.begin("alembic", "upgrade", "head")
        wait_for(migrating, "Waiting for a standby, which is")
        at = seen(servers.first)
        assert 0 < at < 5000
        assert seen(servers.first) == at
        servers.second.query("SELECT pg_wal_replay_resume()")
        migrating.communicate(timeout=PATIENCE)
        assert migrating.returncode == 0
        assert servers.first.query(ALL_ONCE) == [(1, 1, 5000)]


def has_seen(database: Database, at_least: int) -> bool:
    return seen(database) >= at_least


def seen(database: Database) -> int:
    """How many rows a run has looked at."""
    if database.query(LEFT) == [(None,)]:
        return 0
    return int(database.value("SELECT coalesce(sum(seen), 0) FROM alembic_live_progress"))


def test_a_table_without_a_key_is_refused(bench: Bench) -> None:
    create_many(bench.database, "id int", "i")
    text = bench.upgrade('update_in_batches("many", "n = 1")', ok=False)
    assert '"many" has no primary key' in text
    assert bench.database.query(ALL_ONCE) == [(0, 0, 5000)]


def test_an_error_of_the_statement_leaves_what_is_done(bench: Bench) -> None:
    create_many(bench.database, *KEYS["number"])
    bench.upgrade('update_in_batches("many", "n = 1 + 0 / (4000 - id)")', ok=False)
    assert 0 < bench.database.value("SELECT count(*) FROM many WHERE n = 1") < 4000
    bench.upgrade('update_in_batches("many", "n = 1")')
    assert bench.database.query(ALL_ONCE) == [(1, 1, 5000)]
    assert bench.database.query(LEFT) == [(None,)]


def test_the_script_has_one_statement(bench: Bench) -> None:
    bench.upgrade("drop_not_null('things', 'name')")
    edit(
        bench.project.versions[0],
        "drop_not_null('things', 'name')",
        'update_in_batches("things", "name = \'10:30\'", where="name IS NULL")',
    )
    script = bench.project.alembic("upgrade", "head", "--sql").stdout
    assert "-- An upgrade of a database does this in batches." in script
    assert """UPDATE "things" SET name = '10:30' WHERE name IS NULL;""" in script
