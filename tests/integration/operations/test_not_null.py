"""`set_not_null_concurrently` finishes an interrupted run, and drops no check but its own."""

import pytest
from bench import REVISION, Bench
from project import PATIENCE, wait_until
from server import Database

CHECKS = (
    "SELECT conname, convalidated FROM pg_constraint"
    " WHERE contype = 'c' AND conrelid = 'things'::regclass"
)


def test_a_team_s_check_is_not_dropped_for_its_name(bench: Bench) -> None:
    with bench.database.connect() as connection:
        connection.execute(
            "ALTER TABLE things ADD CONSTRAINT name_is_not_null CHECK (name IS NOT NULL AND name <> '')"
        )
    bench.upgrade('set_not_null_concurrently("things", "name")')
    assert bench.database.query(CHECKS) == [("name_is_not_null", True)]
    assert is_not_null(bench.database)
    bench.upgrade('set_not_null_concurrently("things", "name")')
    assert bench.database.query(CHECKS) == [("name_is_not_null", True)]


def test_a_team_s_check_stays_where_a_row_is_null(bench: Bench) -> None:
    with bench.database.connect() as connection:
        connection.execute("INSERT INTO things (id) VALUES (1)")
        connection.execute(
            "ALTER TABLE things ADD CONSTRAINT name_is_not_null CHECK (name IS NOT NULL) NOT VALID"
        )
    text = bench.upgrade('set_not_null_concurrently("things", "name")', ok=False)
    assert "it is NULL in 1 row" in text
    assert bench.database.query(CHECKS) == [("name_is_not_null", False)]


# Before a command on the table, wait where its name is among the constraints already.
WAIT = """
    CREATE FUNCTION wait() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM pg_constraint WHERE conname LIKE 'set_not_null_concurrently_%'
                                               AND convalidated = {}) THEN
            PERFORM pg_sleep(600);
        END IF;
    END $$;
    CREATE EVENT TRIGGER wait ON ddl_command_start WHEN TAG IN ('ALTER TABLE')
        EXECUTE FUNCTION wait();
"""


@pytest.mark.parametrize("validated", ["false", "true"])
def test_not_null_that_was_cut_off_is_finished_and_leaves_no_check(
    bench: Bench, validated: str
) -> None:
    database = bench.database
    bench.upgrade("drop_not_null('things', 'name')")
    database.query("DROP TABLE alembic_version")
    path = bench.project.path / "migrations" / "versions" / "tried.py"
    call = 'set_not_null_concurrently("things", "name")'
    path.write_text(REVISION.format(package=bench.project.package, call=call))
    with database.connect() as connection:
        connection.execute(WAIT.format(validated).encode())
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    migrating = bench.project.begin("alembic", "upgrade", "head")
    wait_until(lambda: database.value(sleeping))
    migrating.kill()
    migrating.communicate(timeout=PATIENCE)
    wait_until(lambda: not database.value(sleeping))
    with database.connect() as connection:
        connection.execute("DROP EVENT TRIGGER wait")
    assert len(database.query(CHECKS)) == 1
    bench.upgrade(call)
    assert database.query(CHECKS) == []
    assert is_not_null(database)


def is_not_null(database: Database) -> bool:
    """Whether the name of a thing may not be NULL."""
    return bool(
        database.value(
            "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'things'::regclass"
            " AND attname = 'name'"
        )
    )
