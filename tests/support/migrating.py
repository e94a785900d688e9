"""Processes that migrate, and what the server says about them."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

from history import expected, write_history
from project import PATIENCE, Project
from sample import NewProject
from server import Database


def prepared(new_project: NewProject, driver: str = "asyncpg", *, length: int = 6) -> Project:
    """A project with its own history, ready to start processes in."""
    project = new_project()
    if driver != "asyncpg":
        project = project.given(DB_DRIVER_SYNC=driver)
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


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    """Read what a process says, up to the line with these words."""
    assert process.stdout
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"it ended without: {words}")
