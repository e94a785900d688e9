"""Migrations that are killed at random moments, or whose server is: the next run reaches the head,
nothing is half applied, and no row is lost or doubled.
"""

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from history import write_history
from local_server import database_of, server_of
from migrating import assert_applied_once, prepared
from project import PATIENCE, Project, wait_until
from sample import NewProject, write_sample
from server import Database

LENGTH = 10

BEGUN = "SELECT to_regclass('alembic_version')::text"

campaigns = pytest.mark.parametrize("runs", [3, pytest.param(50, marks=pytest.mark.full)])


@campaigns
def test_a_killed_migration_is_finished_by_the_next(
    new_project: NewProject, server: Database, database: Database, runs: int
) -> None:
    project = prepared(new_project, length=LENGTH).given(PAUSE="0.02")
    duration = timed_upgrade(project)
    assert_applied_once(database, LENGTH)
    for seed in range(runs):
        with server.another(f"{database.name[:40]}_{seed}") as fresh:
            there = project.given(**fresh.environment)
            kill_midway(there, random.Random(seed).uniform(0.3, 1) * duration)
            there.alembic("upgrade", "head")
            assert_applied_once(fresh, LENGTH)


@campaigns
def test_a_killed_server_s_migration_is_finished_by_the_next(local: Project, runs: int) -> None:
    database = database_of(local)
    duration = timed_upgrade(local)
    cut_off = 0
    for seed in range(runs):
        database.query("DROP SCHEMA public CASCADE")
        database.query("CREATE SCHEMA public")
        if seed == 0:  # surely midway: a random moment may be after the end on a busy machine
            migrating = local.given(PAUSE="0.5").begin("alembic", "upgrade", "head")
            wait_until(lambda: database.value(BEGUN) is not None)
        else:
            migrating = local.begin("alembic", "upgrade", "head")
            time.sleep(random.Random(seed).uniform(0.4, 1) * duration)
        server_of(local).kill()
        said, _ = migrating.communicate(timeout=PATIENCE)
        if migrating.returncode:
            cut_off += 1
            assert "Traceback" not in said, said
            assert "uv run db start" in said or "run the command again" in said, said
        local.db("start")
        local.alembic("upgrade", "head")
        assert_applied_once(database, LENGTH)
    assert cut_off


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Project]:
    """A project with a server of its own, which may be killed."""
    project = write_sample(tmp_path / "my-service")
    project.db("start")
    write_history(project, LENGTH)
    yield project.given(PAUSE="0.02")
    project.db("stop")
    shutil.rmtree((project.path / ".postgres").resolve(), ignore_errors=True)


def timed_upgrade(project: Project) -> float:
    began = time.monotonic()
    migrating = project.begin("alembic", "upgrade", "head")
    said, _ = migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0, said
    return time.monotonic() - began


def kill_midway(project: Project, seconds: float) -> None:
    migrating = project.begin("alembic", "upgrade", "head")
    time.sleep(seconds)
    migrating.kill()
    migrating.communicate()
