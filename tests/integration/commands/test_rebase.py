"""Two people add a revision each: git shows it, and `db rebase` puts one behind the other."""

import re

import pytest
from project import Project, commit, run, said
from revisions import git, head, revision, write_revision
from sample import NewProject
from server import Database

MAIN, MINE = "main", "mine"


def add_revision(project: Project, name: str) -> None:
    """Add a revision that makes a table, and commit it."""
    write_revision(project, name, f"CREATE TABLE {name} ()", f"DROP TABLE {name}")
    commit(project.path)


@pytest.fixture
def diverged(new_project: NewProject, database: Database) -> Project:
    """A project on a branch with two revisions, while the main branch got one."""
    project = new_project()
    commit(project.path)
    git(project, "switch", "--quiet", "--create", MINE)
    add_revision(project, "mine_1")
    add_revision(project, "mine_2")
    git(project, "switch", "--quiet", MAIN)
    add_revision(project, "theirs")
    git(project, "switch", "--quiet", MINE)
    return project


def test_git_shows_a_conflict_and_rebase_settles_it(diverged: Project, database: Database) -> None:
    mine = head(diverged)
    assert "migrations/head.txt" in git(diverged, "merge", MAIN, ok=False)
    done = diverged.db("rebase")
    theirs = diverged.alembic("history").stdout
    assert theirs.index("mine_2") < theirs.index("mine_1") < theirs.index("theirs")
    assert "follows" in done.stderr
    assert head(diverged) == mine
    first = revision(diverged, "mine_1").read_text()
    assert "Revises: 5f0e1c2d3a4b" not in first
    [add] = re.findall(r"^To tell git: (git add .*)$", done.stderr, re.MULTILINE)
    run("sh", "-c", add, cwd=diverged.path)
    assert git(diverged, "diff", "--name-only") == ""
    assert git(diverged, "ls-files", "--unmerged") == ""
    git(diverged, "commit", "--quiet", "--message", "Merge main")
    diverged.alembic("upgrade", "head")
    assert database.query("SELECT 1 FROM pg_class WHERE relname = 'theirs'") == [(1,)]
    diverged.run("ruff", "check")
    diverged.run("ruff", "format", "--check")
    assert diverged.db("lint").returncode == 0
    assert "already has one head" in diverged.db("rebase").stderr


def test_revisions_that_are_applied_do_not_move_unless_told(
    diverged: Project, database: Database
) -> None:
    diverged.alembic("upgrade", "head")
    git(diverged, "merge", MAIN, ok=False)
    before = revision(diverged, "mine_1").read_text()
    refused = diverged.db("rebase", ok=False)
    assert refused.returncode == 1
    assert "is applied to the project's database" in said(refused)
    assert "alembic downgrade 5f0e1c2d3a4b" in said(refused)
    assert revision(diverged, "mine_1").read_text() == before
    diverged.alembic("downgrade", "5f0e1c2d3a4b")
    diverged.db("rebase")
    diverged.alembic("upgrade", "head")


def test_it_can_be_told_that_the_database_does_not_matter(diverged: Project) -> None:
    diverged.alembic("upgrade", "head")
    git(diverged, "merge", MAIN, ok=False)
    diverged.db("rebase", "--applied")
    assert len(diverged.alembic("heads").stdout.splitlines()) == 1


def test_without_a_database_it_asks(diverged: Project) -> None:
    git(diverged, "merge", MAIN, ok=False)
    nowhere = diverged.given(DB_PORT="1")
    refused = nowhere.db("rebase", ok=False)
    assert "The revisions that are applied to the database are unknown" in said(refused)
    assert "Traceback" not in said(refused)
    nowhere.db("rebase", "--applied")


def test_where_it_cannot_be_told_whose_is_whose_it_asks(new_project: NewProject) -> None:
    project = new_project()
    for name in ("one", "two"):
        project.alembic("revision", "-m", name, "--head", "5f0e1c2d3a4b", "--splice")
    done = project.db("rebase", ok=False)
    assert done.returncode == 1
    assert "Name it: uv run db rebase --onto <head>" in said(done)
    one = revision(project, "one").name.split("-")[1].split("_")[0]
    assert "the heads are" in said(project.db("rebase", "--onto", "nothing", ok=False))
    project.db("rebase", "--onto", one)
    history = project.alembic("history").stdout
    assert history.index("two") < history.index("one")
    assert "already has one head" in project.db("rebase", "--onto", one).stderr


def test_a_new_revision_is_recorded_as_the_head(new_project: NewProject) -> None:
    project = new_project(example=False)
    assert not (project.path / "migrations" / "head.txt").exists()
    assert "no revision yet" in project.db("record_head").stderr
    project.alembic("revision", "-m", "one")
    assert head(project) in project.versions[-1].name
    project.alembic("revision", "-m", "other", "--head=base", "--branch-label=other")
    assert len(head(project).split()) == 2
    project.alembic("merge", "heads", "-m", "join")
    assert len(head(project).split()) == 1


def test_a_conflict_in_the_head_file_alone_is_settled(diverged: Project) -> None:
    git(diverged, "merge", MAIN, ok=False)
    diverged.db("rebase")
    git(diverged, "add", "--all", "--", "migrations/versions")
    done = diverged.db("rebase")
    assert "already has one head" in done.stderr
    assert "To tell git: git add -- migrations/head.txt\n" in done.stderr
    git(diverged, "add", "--all")
    git(diverged, "commit", "--quiet", "--message", "Merge main")
    assert "git add" not in diverged.db("rebase").stderr
