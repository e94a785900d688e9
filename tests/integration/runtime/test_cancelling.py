"""An upgrade that is cancelled stops at a safe point, and returns when it has stopped."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic import command
from alembic.util import CommandError
from alembic_live import Project
from alembic_live.postgres.connection import make_engine
from alembic_live.runtime.program import run_command, upgrade_to_head
from edit import edit
from in_process import InProcess
from revisions import NOTES
from server import Database
from sqlalchemy import Connection, text

REVISION = '''"""By hand"""

from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    op.execute("SELECT pg_sleep({seconds})")
    op.execute("CREATE TABLE {revision} ()")


def downgrade() -> None:
    op.execute("DROP TABLE {revision}")
'''

SECONDS = 3.0  # that a revision takes

FOUND = text("SELECT to_regclass('slow') IS NOT NULL, to_regclass('later') IS NOT NULL")
SLEEPS = text(
    "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    " AND datname = current_database()"
)


@pytest.fixture
def project(in_process: InProcess) -> Project:
    """A project with a revision that takes its time, and one after it."""
    project = in_process(DB_MIGRATION_LOCK_WAIT="0.2")
    for revision, before in (("slow", NOTES), ("later", "slow")):
        seconds = SECONDS if revision == "slow" else 0
        (project.versions / f"{revision}.py").write_text(
            REVISION.format(revision=revision, before=before, seconds=seconds)
        )
    return project


@pytest.fixture
def watcher(database: Database) -> Iterator[Connection]:
    """A connection in autocommit."""
    engine = make_engine(database.address("psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def assert_stopped_after_the_revision(watcher: Connection) -> None:
    """The revision in progress is complete, the next has not begun, and nothing goes on."""
    assert watcher.execute(SLEEPS).first() is None
    assert watcher.execute(FOUND).one() == (True, False)
    time.sleep(0.5)
    assert watcher.execute(FOUND).one() == (True, False)


async def until_it_sleeps(watcher: Connection) -> None:
    deadline = time.monotonic() + 30
    while watcher.execute(SLEEPS).first() is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def by_cancelling(project: Project, watcher: Connection) -> None:
    starting = asyncio.create_task(upgrade_to_head(project))
    await until_it_sleeps(watcher)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting


async def by_cancelling_twice(project: Project, watcher: Connection) -> None:
    starting = asyncio.create_task(upgrade_to_head(project))
    await until_it_sleeps(watcher)
    for _ in range(3):
        starting.cancel()
        await asyncio.sleep(0.1)
    with pytest.raises(asyncio.CancelledError):
        await starting


async def upgrade_within(project: Project, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await upgrade_to_head(project)


async def by_a_timeout(project: Project, watcher: Connection) -> None:
    starting = asyncio.create_task(upgrade_within(project, SECONDS / 2))
    await until_it_sleeps(watcher)
    with pytest.raises(TimeoutError):
        await starting


async def by_wait_for(project: Project, watcher: Connection) -> None:
    starting = asyncio.create_task(upgrade_to_head(project))
    await until_it_sleeps(watcher)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(starting, 0.1)


async def by_a_task_group(project: Project, watcher: Connection) -> None:
    async def fail() -> None:
        await until_it_sleeps(watcher)
        raise ValueError("another task")

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(upgrade_to_head(project))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await both()


WAYS = (by_cancelling, by_cancelling_twice, by_a_timeout, by_wait_for, by_a_task_group)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_it_returns_when_it_has_stopped(
    project: Project,
    watcher: Connection,
    way: Callable[[Project, Connection], Coroutine[Any, Any, None]],
) -> None:
    await way(project, watcher)
    assert_stopped_after_the_revision(watcher)


def test_a_loop_that_ends_waits_for_it(project: Project, watcher: Connection) -> None:
    async def main() -> None:
        task = asyncio.create_task(upgrade_to_head(project))
        await until_it_sleeps(watcher)
        assert not task.done()

    asyncio.run(main())
    assert_stopped_after_the_revision(watcher)


PROGRAM = """
import asyncio, sys
from pathlib import Path
from alembic_live import load_project, upgrade_to_head
asyncio.run(upgrade_to_head(load_project(Path(sys.argv[1]))))
print("not cancelled")
"""


@pytest.mark.parametrize("times", [1, 2])
async def test_so_does_a_program_that_is_interrupted(
    project: Project, watcher: Connection, times: int
) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, project.config_file], stdout=subprocess.PIPE, text=True
    )
    await until_it_sleeps(watcher)
    for _ in range(times):
        program.send_signal(signal.SIGINT)
        time.sleep(0.3)
    said, _ = program.communicate(timeout=60)
    assert said == ""
    assert program.returncode != 0
    assert_stopped_after_the_revision(watcher)


async def test_it_goes_on_where_it_stopped(project: Project, watcher: Connection) -> None:
    await by_cancelling(project, watcher)
    await upgrade_to_head(project)
    assert watcher.execute(FOUND).one() == (True, True)


async def test_one_that_waits_for_another_thread_stops_soon(
    project: Project, watcher: Connection
) -> None:
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(run_command, project, command.upgrade, "head")
        await until_it_sleeps(watcher)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await upgrade_within(project, 0.1)
        assert time.monotonic() - began < SECONDS / 2
        first.result()
    assert watcher.execute(FOUND).one() == (True, True)


async def test_one_that_waits_for_a_lock_stops_soon(project: Project, watcher: Connection) -> None:
    watcher.execute(text("CREATE TABLE later ()"))
    engine = watcher.engine.execution_options(isolation_level="READ COMMITTED")
    path = project.versions / "slow.py"
    edit(path, "SELECT pg_sleep(3.0)", "LOCK later")
    with engine.connect() as holder:
        holder.execute(text("LOCK later"))
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await upgrade_within(project, 1.5)
        assert time.monotonic() - began < 4
        holder.rollback()
    assert watcher.execute(FOUND).one() == (False, True)


async def test_an_upgrade_that_fails_says_why(project: Project, watcher: Connection) -> None:
    path = project.versions / "slow.py"
    edit(path, "SELECT pg_sleep(3.0)", "SELECT 1/0")
    with pytest.raises(CommandError, match="division by zero"):
        await upgrade_to_head(project)
