"""A database that a newer version has migrated: the older one names it, and starts if it may."""

import pytest
from migrating import held_lock, wait_for
from project import PATIENCE, Project, said
from sample import NewProject
from server import Database


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    """A project whose database is at a revision of tomorrow."""
    project = new_project()
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
    assert ("set DB_MIGRATION_AHEAD=warn" in text) == ("upgrade" in command)
    assert "Traceback" not in text
    assert database.query("SELECT version_num FROM alembic_version") == [("tomorrow",)]


def test_an_older_version_starts_where_it_may(project: Project, database: Database) -> None:
    old = project.given(DB_MIGRATION_AHEAD="warn")
    done = old.alembic("upgrade", "head")
    assert "newer code has migrated it. Nothing was done." in " ".join(said(done).split())
    assert database.query("SELECT version_num FROM alembic_version") == [("tomorrow",)]
    assert old.alembic("downgrade", "-1", ok=False).returncode != 0
    assert database.query("SELECT version_num FROM alembic_version") == [("tomorrow",)]


@pytest.mark.parametrize("may_be", [True, False])
def test_one_that_is_overtaken_while_it_waits_says_so_too(
    new_project: NewProject, database: Database, may_be: bool
) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    project.alembic("revision", "-m", "of both versions")
    old = project.given(DB_MIGRATION_AHEAD="warn" if may_be else "fail")
    with held_lock(database):
        waiting = old.begin("alembic", "upgrade", "head")
        wait_for(waiting, "Waiting for another process")
        database.query("UPDATE alembic_version SET version_num = 'tomorrow'")
    text, _ = waiting.communicate(timeout=PATIENCE)
    assert (waiting.returncode == 0) is may_be
    assert "The database is at revision tomorrow, which is not in this code" in " ".join(
        text.split()
    )
    assert "Traceback" not in text


def test_the_beginning_of_an_id_is_no_id(project: Project, database: Database) -> None:
    database.query("UPDATE alembic_version SET version_num = '5f0e'")
    assert "at revision 5f0e, which is not in this code" in " ".join(
        said(project.alembic("upgrade", "head", ok=False)).split()
    )


def test_a_stamp_can_put_it_right(project: Project, database: Database) -> None:
    project.alembic("stamp", "--purge", "head")
    assert project.alembic("current").stdout == "5f0e1c2d3a4b (head)\n"
