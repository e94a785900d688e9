"""A database that a newer version has migrated: the older one names it, and starts if it may."""

import pytest
from conftest import Render
from project import Project, said
from server import Database


@pytest.fixture
def project(render: Render, database: Database) -> Project:
    """A project whose database is at a revision of tomorrow."""
    project = render()
    project.alembic("upgrade", "head")
    database.query("UPDATE alembic_version SET version_num = 'tomorrow'")
    return project


@pytest.mark.parametrize(
    "command", [("upgrade", "head"), ("downgrade", "-1"), ("stamp", "head")], ids=" ".join
)
def test_it_is_refused_in_a_sentence(
    project: Project, database: Database, command: tuple[str, ...]
) -> None:
    done = project.alembic(*command, ok=False)
    text = " ".join(said(done).split())
    assert done.returncode != 0
    assert "The database is at revision tomorrow, which is not in this code" in text
    assert "set DB_MIGRATION_AHEAD=warn" in text
    assert "Traceback" not in text
    assert database.query("SELECT version_num FROM alembic_version") == [("tomorrow",)]


def test_an_older_version_starts_where_it_may(project: Project, database: Database) -> None:
    old = project.given(DB_MIGRATION_AHEAD="warn")
    done = old.alembic("upgrade", "head")
    assert "a newer version has migrated it. Nothing was done." in " ".join(said(done).split())
    assert database.query("SELECT version_num FROM alembic_version") == [("tomorrow",)]
    assert old.alembic("downgrade", "-1", ok=False).returncode != 0
    assert database.query("SELECT version_num FROM alembic_version") == [("tomorrow",)]


def test_a_stamp_can_put_it_right(project: Project, database: Database) -> None:
    project.alembic("stamp", "--purge", "head")
    assert project.alembic("current").stdout == "5f0e1c2d3a4b (head)\n"
