"""Many processes migrate one database at once, and some of them are killed."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

import pytest
from campaigns import campaign
from conftest import Render, Using
from history import expected, write_history
from project import PATIENCE, Project, wait_until
from server import Database
from test_traffic import wait_for

pytestmark = pytest.mark.typed

drivers = pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])


def prepared(project: Project, *, length: int = 6) -> Project:
    """A project with a history of its own, ready to start processes in."""
    project.run("true")
    write_history(project, length)
    return project


def upgrade_many(project: Project, number: int, *, apart: float = 0) -> list[subprocess.Popen[str]]:
    started = []
    for _ in range(number):
        started.append(project.begin("alembic", "upgrade", "head"))
        time.sleep(apart)
    return started


def outcome(processes: list[subprocess.Popen[str]]) -> list[str]:
    """What they said; all have to succeed."""
    said = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    codes = [process.returncode for process in processes]
    assert codes == [0] * len(codes), "\n---\n".join(said)
    return said


def assert_applied_once(database: Database, length: int) -> None:
    marks, total, columns = expected(length)
    assert [step for (step,) in database.query("SELECT step FROM marks ORDER BY step")] == marks
    assert database.query("SELECT DISTINCT total FROM items") == [(total,)]
    assert database.value("SELECT count(*) FROM items") == 1000
    names = database.query(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'items'::regclass"
        " AND attname ~ '^c[0-9]' AND NOT attisdropped ORDER BY attnum"
    )
    assert [name for (name,) in names] == [f"c{number}" for number in columns]
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_items_total'::regclass"
    assert database.query(valid) == [(True,)]
    assert database.query("SELECT version_num FROM alembic_version") == [(f"step{length:03}",)]


@drivers
@campaign(("number", "apart"), [(8, 0), (4, 0.2)], keep=[(8, 0)])
def test_processes_that_start_together_apply_each_revision_once(
    render: Render, using: Using, database: Database, driver: str, number: int, apart: float
) -> None:
    project = prepared(using(driver, render())).given(PAUSE="1")
    said = outcome(upgrade_many(project, number, apart=apart))
    assert_applied_once(database, 6)
    assert sum(text.count("Running upgrade") for text in said) == 6
    assert any("Waiting for another process that migrates: pid" in text for text in said)
    assert any("(my_service migrations), connected since 2" in text for text in said)


@drivers
def test_when_one_is_killed_the_others_finish(
    render: Render, using: Using, database: Database, driver: str
) -> None:
    project = prepared(using(driver, render()))
    first = project.given(PAUSE="600").begin("alembic", "upgrade", "head")
    wait_until(lambda: busy(database, "pg_sleep"))
    others = upgrade_many(project, 3)
    wait_until(lambda: sessions(database) == 4)
    first.kill()
    first.communicate()
    outcome(others)
    assert_applied_once(database, 6)


def test_a_statement_of_a_killed_process_is_not_waited_for(
    render: Render, database: Database
) -> None:
    project = prepared(render()).given(PAUSE="600")
    hanging = project.begin("alembic", "upgrade", "head")
    wait_until(lambda: busy(database, "pg_sleep"))
    hanging.kill()
    hanging.communicate()
    wait_until(lambda: not busy(database, "pg_sleep"), seconds=20)


def test_who_is_waited_for_is_said_every_few_seconds(render: Render, database: Database) -> None:
    project = prepared(render())
    waits = project.file("src/*/migrate/advisory_lock.py")
    waits.write_text(waits.read_text().replace("SAY_EVERY = 5.0", "SAY_EVERY = 0.5"))
    with held_lock(database):
        waiting = project.begin("alembic", "upgrade", "head")
        for _ in range(3):
            wait_for(waiting, "Waiting for another process that migrates: pid")
    said, _ = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 0, said


def test_each_revision_has_a_transaction_of_its_own(render: Render, database: Database) -> None:
    project = prepared(render())
    third = project.versions[3]
    third.write_text(third.read_text().replace("INSERT INTO marks", "INSERT INTO nothing"))
    project.alembic("upgrade", "head", ok=False)
    assert database.query("SELECT version_num FROM alembic_version") == [("step003",)]
    assert database.query("SELECT step FROM marks") == [(2,)]
    assert database.query("SELECT DISTINCT total FROM items") == [(1,)]


def test_quiet_is_quiet(render: Render, database: Database) -> None:
    project = prepared(render())
    loud = project.alembic("upgrade", "+1").stderr
    assert re.search(r"Finished upgrade  -> step001, Step 1 in \d+\.\d\d s", loud)
    quiet = project.alembic("--quiet", "upgrade", "head")
    assert quiet.stdout == ""


def test_nothing_to_do_takes_no_lock(render: Render, database: Database) -> None:
    project = prepared(render())
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
    render: Render, database: Database, command: tuple[str, ...]
) -> None:
    project = prepared(render())
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
    render: Render, database: Database
) -> None:
    project = prepared(render(), length=8)
    outcome([project.begin("alembic", "upgrade", "+2") for _ in range(4)])
    assert_applied_once(database, 8)


def test_another_schema_is_made_once(render: Render, database: Database) -> None:
    project = render(database_schema="sales")
    project.run("true")
    outcome(upgrade_many(project, 6))
    assert database.value("SELECT count(*) FROM sales.alembic_version") == 1


def busy(database: Database, words: str) -> bool:
    """Whether a migration runs a statement with these words in it."""
    statement = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND state = 'active'"
        " AND application_name = 'my_service migrations' AND position(%s IN query) > 0"
    )
    return bool(database.query(statement, database.name, words))


def sessions(database: Database) -> int:
    """How many processes are connected to migrate."""
    statement = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = %s AND application_name = 'my_service migrations'"
    )
    return int(database.value(statement, database.name))


@contextmanager
def held_lock(database: Database) -> Iterator[int]:
    """Hold the migrations' lock, as a process does that hangs; yields the session's id."""
    with database.connect() as connection:
        connection.execute("SET application_name = 'held'")
        connection.execute("SELECT pg_advisory_lock(%s, %s)", (crc(b"alembic"), crc(b"public")))
        yield connection.info.backend_pid


def crc(text: bytes) -> int:
    return crc32(text) & 0x7FFFFFFF
