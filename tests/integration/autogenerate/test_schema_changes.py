"""Every kind of change, written by autogenerate and made amid traffic: it keeps nobody waiting, loses
no row, goes back and up again. Where that cannot be, the command has said so.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from campaigns import campaign
from changes import CHANGES, ROWS, Change, models
from lock_waits import lock_waits
from project import Project, said
from sample import write_sample
from server import Database

SMALL, FULL = 2_000, 100_000  # things
PATIENCE = {SMALL: 1_000, FULL: 200}  # milliseconds; the suite shares its cores with other tests

# One change for each way in which a revision is written, or goes back.
SHORT = [
    *("column with a volatile default", "dropped column", "renamed column with an index"),
    *("column that becomes NOT NULL", "enum value in the middle, used as a default"),
    *("unique constraint", "foreign key on a new column", "tables that refer to each other"),
]

KEPT = "SELECT count(*), sum(hashtext(serial || price::text)::bigint) FROM {}"


@dataclass
class Workshop:
    """A project with one revision, and a full database that it has been applied to."""

    project: Project
    first: str
    full: Database


@pytest.fixture(
    scope="module", params=[SMALL, pytest.param(FULL, marks=pytest.mark.full)], ids=["few", "many"]
)
def rows(request: pytest.FixtureRequest) -> int:
    """How many things there are."""
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def workshop(
    server: Database, tmp_path_factory: pytest.TempPathFactory, rows: int
) -> Iterator[Workshop]:
    """Changes to the project last for one test."""
    project = write_sample(tmp_path_factory.mktemp("changes") / "project", example=False)
    project.write_model("models", models("..base"))
    with server.another(f"full_{rows}_{os.getpid()}") as database:
        project = project.given(**database.environment)
        project.alembic("revision", "--autogenerate", "-m", "first")
        project.alembic("upgrade", "head")
        with database.connect() as connection:
            connection.execute((ROWS % rows).encode())
        first = (project.path / "migrations" / "head.txt").read_text().strip()
        yield Workshop(project, first, database)


@campaign("change", CHANGES, keep=SHORT)
def test_a_change_keeps_nobody_waiting_and_loses_nothing(
    workshop: Workshop, server: Database, change: Change, rows: int
) -> None:
    version = int(server.value("SHOW server_version_num")) // 10_000
    if version < change.server:
        pytest.skip(f"PostgreSQL {version} does not know it")
    name = f"change_{os.getpid()}"
    with server.another(name, template=workshop.full.name) as database:
        project = workshop.project.given(**database.environment)
        before = kept(database)
        project.write_model("models", change.models("..base"))
        try:
            words = [word for each in change.words for word in ("-x", each)]
            text = said(project.alembic(*words, "revision", "--autogenerate", "-m", "change"))
            assert ("ACCESS EXCLUSIVE" in text.replace("In the downgrade: Rewrites", "")) == (
                change.shuts_out or change.shuts_out_on_the_way_back
            )
            if change.words or not change.shuts_out:
                found = said(project.db("lint", f"{workshop.first}:head", ok=False))
                assert change.finding in found
            with lock_waits(database) as up:
                run(project, "upgrade head", "check")
            assert kept(database) == before
            with lock_waits(database) as down:
                run(project, f"downgrade {workshop.first}")
            assert kept(database) == before
            run(project, "upgrade head", "check")
            assert kept(database) == before
        finally:
            for path in project.versions:
                if not path.name.endswith("_first.py"):
                    path.unlink()
    if not change.shuts_out:
        assert max(up, default=0) <= PATIENCE[rows]
    if not change.shuts_out_on_the_way_back:
        assert max(down, default=0) <= PATIENCE[rows]


def run(project: Project, *commands: str) -> None:
    """Commands of Alembic's, one after the other."""
    for command in commands:
        project.alembic(*command.split())


def kept(database: Database) -> object:
    """A fingerprint of the rows, by columns that no change is about."""
    name = database.value("SELECT coalesce(to_regclass('things'), to_regclass('items'))::text")
    return database.query(KEPT.replace("{}", name))
