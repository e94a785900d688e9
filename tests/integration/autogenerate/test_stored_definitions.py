"""Autogenerate compares what Postgres stores: an unchanged definition is no difference, a changed one
becomes a revision that goes up, down and up.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from compared import DEFINITIONS, SQL, models, table_of
from project import Project, said
from sample import write_sample
from server import Database

# Definitions that look different and that Postgres stores in one form.
SAME = {"null in sql"}


@dataclass
class Story:
    """What `check` finds, from the first revision to the second upgrade."""

    version: int
    found: dict[str, str] = field(default_factory=dict)
    moved: object = None

    def check(self, project: Project, when: str) -> None:
        """Remember what `check` finds."""
        self.found[when] = said(project.alembic("check", ok=False))


@pytest.fixture(scope="module", params=["asyncpg", pytest.param("psycopg", marks=pytest.mark.full)])
def story(
    server: Database, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Story]:
    """All definitions, made by one revision and changed by another one in tables with rows."""
    driver = request.param
    project = write_sample(tmp_path_factory.mktemp(driver) / "project", example=False)
    with server.another(f"stored_{driver}_{os.getpid()}") as database:
        sync = "" if driver == "asyncpg" else driver
        project = project.given(**database.environment, DB_DRIVER_SYNC=sync, PYTHONWARNINGS="error")
        with database.connect() as connection:
            connection.execute(SQL.encode())
            version = connection.info.server_version // 10_000
        story = Story(version)

        def write(*, changed: bool) -> None:
            project.write_model("all", models(changed=changed, server=version))

        write(changed=False)
        project.alembic("revision", "--autogenerate", "-m", "one")
        project.alembic("upgrade", "head")
        first = (project.path / "migrations" / "head.txt").read_text().strip()
        fill(database)
        before = executed(database)
        story.check(project, "made")
        write(changed=True)
        story.check(project, "changed")
        project.alembic("revision", "--autogenerate", "-m", "two")
        story.moved = executed(database) != before
        project.alembic("upgrade", "head")
        story.check(project, "upgraded")
        project.alembic("downgrade", first)
        project.alembic("upgrade", "head")
        story.check(project, "upgraded again")
        project.alembic("downgrade", first)
        set_aside(project, first)
        write(changed=False)
        story.check(project, "as before")
        yield story


def fill(database: Database) -> None:
    """Insert a row into each table whose defaults allow one."""
    with database.connect() as connection:
        for case in DEFINITIONS:
            insert = f"INSERT INTO {table_of(case)} DEFAULT VALUES"
            block = f"DO $do$ BEGIN {insert}; EXCEPTION WHEN others THEN NULL; END $do$"
            connection.execute(block.encode())


def executed(database: Database) -> list[object]:
    """What the defaults change when they are executed."""
    return [
        database.query("SELECT last_value, is_called FROM numbers"),
        database.query('SELECT last_value, is_called FROM elsewhere."Odd numbers"'),
        database.query("SELECT count(*) FROM elsewhere.calls"),
    ]


def set_aside(project: Project, first: str) -> None:
    """Remove the revisions after the first."""
    for path in project.versions:
        if first not in path.name:
            path.unlink()
    Path(project.path / "migrations" / "head.txt").write_text(f"{first}\n")


def is_in(case: str, text: str) -> bool:
    return re.search(rf"\b{table_of(case)}\b", text) is not None


@pytest.mark.parametrize("when", ["made", "upgraded", "upgraded again", "as before"])
def test_an_unchanged_definition_is_no_difference(story: Story, when: str) -> None:
    assert [case for case in DEFINITIONS if is_in(case, story.found[when])] == []
    assert "No new upgrade operations detected." in story.found[when]
    assert "WARN" not in story.found[when]


def test_a_changed_definition_is_found(story: Story) -> None:
    for case, definition in DEFINITIONS.items():
        if definition.server <= story.version:
            is_changed = definition.other is not None and case not in SAME
            assert is_in(case, story.found["changed"]) == is_changed, case


def test_a_comparison_executes_no_default(story: Story) -> None:
    assert story.moved is False
