"""Every command knows a revision that cannot be undone."""

import json

import pytest
from edit import edit
from project import Project, commit, said
from removals import STAMPED
from revisions import git, revise
from sample import NewProject
from server import Database

REASON = "Rows were merged."
NO_WAY_BACK = f'raise NotImplementedError("{REASON}")'
SENTENCE = "r1 cannot be undone: Rows were merged. Correct what it did in a new revision."


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """One whose second revision has no way back."""
    project = new_project()
    commit(project.path)
    git(project, "switch", "--quiet", "--create", "mine")
    revise(project, "r1", 'op.execute("CREATE TABLE r1 ()")', NO_WAY_BACK)
    revise(project, "r2", 'op.execute("CREATE TABLE r2 ()")', 'op.execute("DROP TABLE r2")',
        follows="r1")  # fmt: skip
    project.db("record_head")
    return project


def test_a_downgrade_across_it_is_refused_before_its_first_step(
    project: Project, database: Database
) -> None:
    project.alembic("upgrade", "head")
    for command in (("downgrade", "base"), ("downgrade", "r2:base", "--sql")):
        done = project.alembic(*command, ok=False)
        assert f"{SENTENCE} Nothing was done." in said(done)
        assert "Traceback" not in said(done)
        assert "DROP" not in done.stdout
    for target in ("base", "r2:base"):
        done = project.db("plan", target, ok=False)
        assert done.returncode == 1
        assert f"{SENTENCE} Nothing was done." in said(done)
    assert database.query(STAMPED) == [("r2",)]
    project.alembic("downgrade", "r1")
    assert database.query(STAMPED) == [("r1",)]


def test_plan_and_lint_show_it(project: Project) -> None:
    plan = project.db("plan", "base:head").stdout
    assert f"No way back:\n     {REASON}" in plan
    steps = json.loads(project.db("plan", "base:head", "--json").stdout)["steps"]
    assert [step["irreversible"] for step in steps] == [None, REASON, None]
    assert "downgrade" not in said(project.db("lint"))
    path = project.path / "migrations" / "versions" / "r1.py"
    edit(path, f'("{REASON}")', "")
    assert "irreversible-without-a-reason" in said(project.db("lint", ok=False))


def test_remove_and_squash_show_it(project: Project, database: Database) -> None:
    project.alembic("upgrade", "r1")
    text = said(project.db("remove", "r1", "--yes", ok=False))
    assert SENTENCE in text
    assert "uv run db remove r1 --offline, then uv run db reset" in text
    project.alembic("upgrade", "head")
    text = said(project.db("remove", "r1", "--yes", ok=False))
    assert SENTENCE in text
    assert "Copy the body of downgrade()" not in text
    commit(project.path)
    text = said(project.db("squash", "--yes"))
    assert "r1 (Change notes) has no way back: Rows were merged." in text
    assert database.query(STAMPED) == [("r2",)]
    project.db("drift")


def test_one_that_is_not_applied_can_go(project: Project) -> None:
    project.db("remove", "r1", "--yes")
    assert "r1" not in project.alembic("history").stdout.split()
