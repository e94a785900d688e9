"""Many processes migrate one database concurrently, and some of them are killed."""

import re

from campaigns import campaign
from edit import edit
from migrating import (
    assert_applied_once,
    busy,
    held_lock,
    outcome,
    prepared,
    sessions,
    upgrade_many,
    wait_for,
)
from project import PATIENCE, wait_until
from sample import NewProject
from server import Database

drivers = campaign("driver", ["asyncpg", "psycopg"], keep=["asyncpg"])


@drivers
@campaign(("number", "apart"), [(8, 0), (4, 0.2)], keep=[(8, 0)])
def test_processes_that_start_together_apply_each_revision_once(
    new_project: NewProject, database: Database, driver: str, number: int, apart: float
) -> None:
    project = prepared(new_project, driver).given(PAUSE="1")
    said = outcome(upgrade_many(project, number, apart=apart))
    assert_applied_once(database, 6)
    assert sum(text.count("Running upgrade") for text in said) == 6
    assert any("Waiting for another process that migrates: pid" in text for text in said)
    assert any("(my_service migrations), connected since 2" in text for text in said)


@drivers
def test_when_one_is_killed_the_others_finish(
    new_project: NewProject, database: Database, driver: str
) -> None:
    project = prepared(new_project, driver)
    first = project.given(PAUSE="600").begin("alembic", "upgrade", "head")
    wait_until(lambda: busy(database, "pg_sleep"))
    others = upgrade_many(project, 3)
    wait_until(lambda: sessions(database) == 4)
    first.kill()
    first.communicate()
    outcome(others)
    assert_applied_once(database, 6)


def test_a_statement_of_a_killed_process_is_not_waited_for(
    new_project: NewProject, database: Database
) -> None:
    project = prepared(new_project).given(PAUSE="600")
    hanging = project.begin("alembic", "upgrade", "head")
    wait_until(lambda: busy(database, "pg_sleep"))
    hanging.kill()
    hanging.communicate()
    wait_until(lambda: not busy(database, "pg_sleep"), seconds=20)


def test_who_is_waited_for_is_said_every_few_seconds(
    new_project: NewProject, database: Database
) -> None:
    project = prepared(new_project)
    edit(project.library / "runtime" / "lock.py", "SAY_EVERY = 5.0", "SAY_EVERY = 0.5")
    with held_lock(database):
        waiting = project.begin("alembic", "upgrade", "head")
        for _ in range(3):
            wait_for(waiting, "Waiting for another process that migrates: pid")
    said, _ = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 0, said


def test_each_revision_has_a_transaction_of_its_own(
    new_project: NewProject, database: Database
) -> None:
    project = prepared(new_project)
    third = project.versions[3]
    edit(third, "INSERT INTO marks", "INSERT INTO nothing")
    project.alembic("upgrade", "head", ok=False)
    assert database.query("SELECT version_num FROM alembic_version") == [("step003",)]
    assert database.query("SELECT step FROM marks") == [(2,)]
    assert database.query("SELECT DISTINCT total FROM items") == [(1,)]


def test_quiet_is_quiet(new_project: NewProject, database: Database) -> None:
    project = prepared(new_project)
    loud = project.alembic("upgrade", "+1").stderr
    assert re.search(r"Finished upgrade  -> step001, Step 1 in \d+\.\d\d s", loud)
    quiet = project.alembic("--quiet", "upgrade", "head")
    assert quiet.stdout == ""


def test_nothing_to_do_takes_no_lock(new_project: NewProject, database: Database) -> None:
    project = prepared(new_project)
    project.alembic("upgrade", "head")
    with held_lock(database):
        project.given(DB_MIGRATION_LOCK_TIMEOUT="0").alembic("upgrade", "head")


@campaign(
    "command",
    [("upgrade", "head"), ("downgrade", "-1"), ("stamp", "step003")],
    keep=[("upgrade", "head"), ("stamp", "step003")],
    ids=" ".join,
)
def test_waiting_has_a_limit_and_names_who_is_waited_for(
    new_project: NewProject, database: Database, command: tuple[str, ...]
) -> None:
    project = prepared(new_project)
    project.alembic("upgrade", "step005")
    with held_lock(database) as pid:
        done = project.given(DB_MIGRATION_LOCK_TIMEOUT="1").alembic(*command, ok=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    text = " ".join(done.stderr.split())
    assert f"Waited 1 s for another process that migrates this database: pid {pid} (held)" in text
    assert "DB_MIGRATION_LOCK_TIMEOUT" in text
    assert database.query("SELECT version_num FROM alembic_version") == [("step005",)]
    project.alembic(*command)


def test_relative_targets_count_from_where_the_others_got(
    new_project: NewProject, database: Database
) -> None:
    project = prepared(new_project, length=8)
    outcome([project.begin("alembic", "upgrade", "+2") for _ in range(4)])
    assert_applied_once(database, 8)


def test_another_schema_is_made_once(new_project: NewProject, database: Database) -> None:
    project = new_project(database_schema="sales")
    outcome(upgrade_many(project, 6))
    assert database.value("SELECT count(*) FROM sales.alembic_version") == 1
