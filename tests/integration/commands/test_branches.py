"""Several heads and first revisions, merges and dependencies: each command works or says what to type."""

import re

import pytest
from edit import edit
from project import Project, commit, said
from removals import STAMPED
from revisions import NOTES, revise
from sample import NewProject
from server import Database


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A project with a main branch: notes, then m1 and m2."""
    project = new_project()
    revise(project, "m1", 'op.execute("CREATE TABLE m1 ()")', 'op.execute("DROP TABLE m1")')
    revise(project, "m2", "pass", "pass", follows="m1")
    return project


def add(project: Project, revision: str, follows: str | None, **attributes: str) -> None:
    """Add a revision with a label or a dependency."""
    path = revise(project, revision, "pass", "pass", follows=follows)
    for name, value in attributes.items():
        edit(path, f"{name} = None", f'{name} = "{value}"')


def apart(project: Project) -> None:
    """Another history, whose last revision needs m2."""
    add(project, "x1", None, branch_labels="audit")
    add(project, "x2", "x1", depends_on="m2")


def typed(done: str) -> list[str]:
    """The commands that a message proposes."""
    return re.findall(r"uv run alembic ([^,.\n:]+?)(?=[,.\n]|$)", done)


def test_independent_heads_are_not_told_to_merge(project: Project, database: Database) -> None:
    apart(project)
    for words in ("upgrade head", "check"):
        text = said(project.alembic(*words.split(), ok=False))
        assert "upgrade heads" in text
        assert "merge" not in text
    for command in ("migrate", "lint", "doctor"):
        text = said(project.db(command, ok=False))
        assert "set `target = heads` in [alembic_live] of alembic.ini" in text
        assert "merge" not in text
    text = said(project.db("revision", "-m", "new", ok=False))
    assert "Name the one to follow: --head audit@head" in text
    project.alembic("upgrade", "m2")
    text = said(project.alembic("upgrade", "+2", ok=False))
    assert "To apply all of them: uv run alembic upgrade heads" in text
    assert "For other branches: uv run alembic upgrade heads" in said(
        project.db("plan", "+1", ok=False)
    )
    edit(project.path / "alembic.ini", "env_file", "target = heads\nenv_file")
    project.db("migrate")
    assert database.query(STAMPED) == [("x2",)]  # which needs m2
    assert "revision  x2 (head)" in project.db("status").stdout
    assert "ok    revision    x2 (head)" in project.db("doctor").stdout
    assert "several-heads" not in said(project.db("lint", ok=False))
    assert "Nothing to do" in said(project.db("plan"))
    assert "stay apart" in said(project.db("rebase", "--applied"))
    project.db("drift")


def test_a_dependency_on_a_label_is_followed(project: Project, database: Database) -> None:
    add(project, "x1", None, branch_labels="audit")
    add(project, "x2", "x1")
    add(project, "m3", "m2", depends_on="audit")
    edit(project.path / "alembic.ini", "env_file", "target = heads\nenv_file")
    project.run("pytest", "--quiet", "tests/test_migrations.py", "-k", "goes_up or rows")
    project.db("migrate")
    project.db("remove", "m3", "--yes")
    assert database.query(STAMPED) == [("m2",), ("x2",)]
    project.db("remove", "x2", "--yes")
    assert database.query(STAMPED) == [("m2",), ("x1",)]


def test_the_setting_has_two_values(project: Project) -> None:
    edit(project.path / "alembic.ini", "env_file", "target = newest\nenv_file")
    text = said(project.db("migrate", ok=False))
    assert "target in [alembic_live] is head or heads, and not newest" in text


def test_what_a_message_says_to_type_works(project: Project, database: Database) -> None:
    add(project, "side", "m1")
    revise(project, "join", "pass", "pass", follows=("m2", "side"))
    project.alembic("upgrade", "head")
    text = said(project.alembic("downgrade", "-1", ok=False))
    assert "join joins m2 and side" in text
    assert "join joins m2 and side" in said(project.db("plan", "-1", ok=False))
    project.alembic(*typed(text)[0].split())
    assert database.query(STAMPED) == [("m2",), ("side",)]
    text = said(project.alembic("upgrade", "+1", ok=False))
    assert typed(text)[0] == "upgrade m2@+1"
    text = said(project.alembic("downgrade", "-1", ok=False))  # Alembic takes back any of them
    project.alembic(*typed(text)[0].split())
    assert database.query(STAMPED) == [("side",)]
    project.alembic("downgrade", "m1")
    text = said(project.alembic("upgrade", "+1", ok=False))
    assert "m1 is followed by m2 and side" in text
    project.alembic(*typed(text)[0].split())
    assert database.query(STAMPED) == [("m2",)]


def test_a_branch_that_is_not_applied_is_said(project: Project) -> None:
    apart(project)
    project.alembic("upgrade", "m2")
    text = said(project.alembic("downgrade", "audit@-1", ok=False))
    assert "The target does not name one revision. The database is at m2" in text
    assert "Traceback" not in text


def test_revisions_that_moved_after_they_were_applied_are_said(
    project: Project, database: Database
) -> None:
    add(project, "side", "m1")
    project.alembic("upgrade", "heads")
    project.db("rebase", "--onto", "m2", "--applied")
    text = said(project.alembic("upgrade", "head", ok=False))
    assert "The version table has side and also m2, which it follows" in text
    project.alembic(*typed(text)[0].split())
    assert database.query(STAMPED) == [("side",)]
    project.alembic("upgrade", "head")


def test_the_advice_on_a_published_revision_works_in_the_order_of_its_commands(
    project: Project, database: Database
) -> None:
    commit(project.path)
    project.alembic("upgrade", "head")
    text = said(project.db("remove", "m1", "--yes", ok=False))
    assert "uv run db remove m1 --published" in text
    text = said(project.db("remove", "m1", "--published", "--yes", ok=False))
    assert "uv run alembic downgrade m1, then uv run db remove m1 --published" in text
    project.alembic("downgrade", "m1")
    project.db("remove", "m1", "--published", "--yes")
    assert database.query(STAMPED) == [(NOTES,)]


def test_a_revision_that_is_not_python_is_named(project: Project) -> None:
    path = revise(project, "m3", "pass", "pass", follows="m2")
    project.alembic("upgrade", "head")
    project.db("record_head")
    assert "nothing to do" in said(project.db("migrate"))
    path.write_text(f"{path.read_text()}\ndef (\n")
    for command in ("history", "heads", "branches", "show head", "migrate", "squash --yes"):
        text = said(project.db(*command.split(), ok=False))
        assert f"A revision cannot be loaded: {path}:" in text, command
        assert "Traceback" not in text
