"""A bad revision goes, from the files and from the database."""

import re

import pytest
from campaigns import campaign
from edit import edit
from project import Project, commit, run, said
from removals import (
    FIRST,
    STAMPED,
    TABLES,
    files,
    history,
    parents,
    prepared,
    refused,
    rev,
    undo,
)
from revisions import DOWN, UP, current, git, head, id_of, revision, write_revision
from sample import NewProject
from server import Database
from terminal import on_a_terminal


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    """One with three revisions on a branch, none of them applied."""
    return prepared(new_project())


def test_one_that_is_not_applied_goes_and_git_brings_it_back(project: Project) -> None:
    project.alembic("upgrade", rev(project, "b"))
    before, path = files(project), revision(project, "c")
    assert list((path.parent / "__pycache__").glob(f"{path.stem}.*"))
    done = project.db("remove", rev(project, "c"))
    assert not path.exists()
    assert not list((path.parent / "__pycache__").glob(f"{path.stem}.*"))
    assert head(project) == rev(project, "b")
    assert f"D  migrations/versions/{path.name}" in git(project, "status", "--porcelain")
    assert history(project) == ["create notes", "a", "b"]
    undo(project, done)
    assert files(project) == before
    assert git(project, "status", "--porcelain") == ""


def test_what_follows_it_is_linked_anew_on_a_persons_word(project: Project) -> None:
    project.alembic("upgrade", FIRST)
    a, b, c = (rev(project, name) for name in "abc")
    assert "no terminal for the question. Add --yes" in refused(project, b)
    before = files(project)
    question = f"{c} would follow {a} in place of {b}. Go on?"
    text, code = on_a_terminal(project, ("db", "remove", b), [(question, "n")])
    assert code == 1
    assert f"{a} -> {c}" in text  # the new chain comes first
    assert files(project) == before
    text, code = on_a_terminal(project, ("db", "remove", b), [(question, "y")])
    assert code == 0, text
    assert history(project) == ["create notes", "a", "c"]
    assert f"Revises: {a}\n" in revision(project, "c").read_text()
    assert head(project) == c
    project.run("ruff", "check")
    project.run("ruff", "format", "--check")
    project.alembic("upgrade", "head")
    git(project, "checkout", "HEAD", "--", "migrations")
    assert files(project) == before


def test_what_an_undo_cannot_bring_back_is_said(project: Project) -> None:
    b, follower = rev(project, "b"), revision(project, "c")
    follower.write_text(f"{follower.read_text()}# edited\n")
    done = project.db("remove", b, "--yes")
    assert f"{follower.name} to {b} again by hand" in done.stderr


def test_the_one_before_the_first_is_base(project: Project) -> None:
    project.db("remove", FIRST, "--published", "--yes")
    assert history(project) == ["a", "b", "c"]
    assert "down_revision: str | Sequence[str] | None = None" in revision(project, "a").read_text()
    project.alembic("upgrade", "head")


@campaign(
    ("schema", "driver"),
    [("public", "asyncpg"), ("sales", "asyncpg"), ("public", "psycopg")],
    keep=[("sales", "asyncpg"), ("public", "psycopg")],
)
def test_the_newest_that_is_applied_is_downgraded_first(
    new_project: NewProject, database: Database, schema: str, driver: str
) -> None:
    project = new_project(database_schema=schema)
    if driver != "asyncpg":
        project = project.given(DB_DRIVER_SYNC=driver)
    prepared(project, schema)
    project.alembic("upgrade", "head")
    a, b, c = (rev(project, name) for name in "abc")
    text = refused(project, c)
    assert f"{c} is applied to" in text
    assert "rows that it drops are lost" in text
    assert database.query(TABLES) == [("a",), ("b",), ("c",)]
    done = project.db("remove", c, "--yes")
    assert f"The database is at {b} now" in done.stderr
    assert database.query(TABLES) == [("a",), ("b",)]
    assert current(project) == b
    undo(project, done)
    project.alembic("upgrade", "head")
    assert database.query(TABLES) == [("a",), ("b",), ("c",)]
    # The newest in the database, with another behind it in the files.
    project.alembic("downgrade", b)
    project.db("remove", b, "--yes")
    assert (current(project), history(project)) == (a, ["create notes", "a", "c"])
    assert database.query(TABLES) == [("a",)]
    project.alembic("upgrade", "head")


def test_in_the_middle_of_what_is_applied_it_stays_and_the_recipe_works(
    project: Project, database: Database
) -> None:
    project.alembic("upgrade", "head")
    b = rev(project, "b")
    text = refused(project, b, "--yes")
    assert f"and so is {rev(project, 'c')} after it, so it cannot be removed" in text
    assert database.query(STAMPED) == [(rev(project, "c"),)]
    # The recipe, as it says.
    path = revision(project, "b")
    [down] = map(int, re.findall(r"body of downgrade\(\) \(line (\d+)\)", text))
    [up] = map(int, re.findall(r"the body of upgrade\(\) \(line (\d+)\)", text))
    lines = path.read_text().splitlines(keepends=True)
    assert [lines[up - 1], lines[down - 1]] == [
        "def upgrade() -> None:\n",
        "def downgrade() -> None:\n",
    ]
    assert f"uv run alembic revision -m 'Undo {b}'" in text
    project.alembic("revision", "-m", f"Undo {b}")
    new = project.file("migrations/versions/*_undo_*.py")
    bodies = {function: "".join(lines[line + 1 : line + 2]) for function, line in
              (("upgrade", up), ("downgrade", down))}  # fmt: skip
    edit(new, UP, UP + bodies["downgrade"])
    edit(new, DOWN, DOWN + bodies["upgrade"])
    project.alembic("upgrade", "head")
    assert database.query(TABLES) == [("a",), ("c",)]
    project.alembic("downgrade", "-1")
    assert database.query(TABLES) == [("a",), ("b",), ("c",)]
    # The other way, for a database where rows may be lost.
    assert f"uv run alembic downgrade {b}, then uv run db remove {b}" in text
    new.unlink()
    project.alembic("downgrade", b)
    project.db("remove", b, "--yes")
    assert database.query(TABLES) == [("a",)]


def test_on_the_main_branch_it_stays_unless_told(project: Project) -> None:
    text = refused(project, FIRST, "--yes")
    assert f"{FIRST} is on main" in text
    assert "Undo it in a new revision" in text
    git(project, "branch", "--force", "main", "mine")
    assert f"{rev(project, 'c')} is on main" in refused(project, "head")
    git(project, "mv", str(revision(project, "c")), "migrations/versions/renamed_c.py")
    assert "is on main" in refused(project, "head")  # under whatever name
    git(project, "reset", "--quiet", "--hard")
    project.db("remove", "head", "--published")
    assert history(project)[-1] == "b"


def test_without_a_database_it_asks(project: Project) -> None:
    c, nowhere = rev(project, "c"), project.given(DB_PORT="1")
    text = refused(nowhere, c)
    assert "The revisions that are applied to the database are unknown" in text
    assert f"uv run db remove {c} --offline" in text
    for setting in [name for name in nowhere.environment if name.startswith("DB_")]:
        del nowhere.environment[setting]
    assert "DB_HOST, DB_PORT" in refused(nowhere, c)
    nowhere.db("remove", c, "--offline")
    assert history(project)[-1] == "b"


def test_what_git_does_not_have_goes_on_a_persons_word(project: Project) -> None:
    write_revision(project, "new", "SELECT 1", "SELECT 1")
    assert "there is no undo" in refused(project, "head")
    done = project.db("remove", "head", "--yes")
    assert "git did not have the file, so there is no undo" in done.stderr
    path = revision(project, "c")
    path.write_text(path.read_text() + "# more\n")
    assert f"the current version of migrations/versions/{path.name}" in refused(project, "head")
    git(project, "reset", "--quiet", "--hard")
    run("rm", "-rf", ".git", cwd=project.path)
    assert "there is no undo" in refused(project, "head")
    project.db("remove", "head", "--yes")
    assert history(project)[-1] == "b"


def test_what_the_others_need_stays(project: Project) -> None:
    write_revision(project, "d", "ALTER TABLE c ADD x int", "ALTER TABLE c DROP x")
    commit(project.path)
    text = refused(project, rev(project, "c"), "--yes")
    assert "the history cannot be applied, so nothing was done" in text
    assert f"migrations/versions/{revision(project, 'd').name}:" in text
    assert 'relation "c" does not exist' in text


BAD_DOWNGRADES = {
    "op.execute('DROP TABLE nowhere')": 'table "nowhere" does not exist',
    "raise NotImplementedError('Rows were merged.')": "cannot be undone: Rows were merged.",
}


@pytest.mark.parametrize(("body", "words"), BAD_DOWNGRADES.items(), ids=BAD_DOWNGRADES.values())
def test_one_that_cannot_be_taken_back_stays(
    project: Project, database: Database, body: str, words: str
) -> None:
    project.alembic("upgrade", "head")
    path = revision(project, "c")
    edit(path, 'op.execute("DROP TABLE public.c")', body)
    assert words in refused(project, "head", "--yes")
    assert database.query(STAMPED) == [(rev(project, "c"),)]


def test_what_a_downgrade_leaves_behind_is_shown_before(project: Project) -> None:
    path = revision(project, "c")
    edit(path, "TABLE public.c ()", "TYPE public.c AS ENUM ('x')")
    edit(path, "DROP TABLE public.c", "SELECT 1")
    project.alembic("upgrade", "head")
    text = refused(project, "head")
    assert "does not restore the schema from before its upgrade" in text
    assert "type c: only after its downgrade" in text


def test_one_that_python_cannot_load_can_go(project: Project) -> None:
    path = revision(project, "c")
    path.write_text(path.read_text() + "import nowhere\n")
    assert "cannot be loaded" in said(project.alembic("current", ok=False))
    project.db("remove", id_of(path), "--yes")
    assert history(project)[-1] == "b"


def test_one_that_is_written_in_another_way_is_named(project: Project) -> None:
    odd = project.path / "migrations" / "versions" / "odd.py"
    odd.write_text('revision = "o" + "dd"\ndown_revision = None\n')
    for command in (("remove", "head"), ("rebase",), ("record_head",)):
        done = project.db(*command, ok=False)
        assert f"{odd} does not assign `revision` and `down_revision`" in said(done)
        assert "Traceback" not in said(done)


def test_every_name_that_alembic_takes(project: Project) -> None:
    a, b, c = (rev(project, name) for name in "abc")
    assert f"{b} is on" not in refused(project, "-1")
    assert f"{c} would follow {a}" in refused(project, "-1")
    assert f"{c} would follow {a}" in refused(project, b[:4])
    assert "No file has revision nothing" in refused(project, "nothing")
    assert "No file has revision base" in refused(project, "base")
    project.db("remove", "heads")
    write_revision(project, "one", "SELECT 1", "SELECT 1")
    write_revision(project, "two", "SELECT 1", "SELECT 1", "--head", b, "--splice")
    text = refused(project, "head")
    assert "head is ambiguous" in text
    assert {rev(project, "one"), rev(project, "two")} <= set(re.findall(r"\w+", text))
    done = project.db("remove", "-h")
    assert "--published" in done.stdout


def test_branches_that_are_merged_stay_whole(project: Project, database: Database) -> None:
    a, c = rev(project, "a"), rev(project, "c")
    other = write_revision(
        project, "other", "CREATE TABLE o ()", "DROP TABLE o", "--head", a, "--splice"
    )
    project.alembic("merge", "heads", "-m", "join")
    join = rev(project, "join")
    last = write_revision(project, "last", "SELECT 1", "SELECT 1")
    commit(project.path)
    project.alembic("upgrade", join)
    # The merge itself, applied, in the middle of the files.
    project.db("remove", join, "--yes")
    assert database.query(STAMPED) == sorted([(c,), (other,)])
    assert f"{c}, {other} -> {last}" in said(project.alembic("history", "--verbose")) or sorted(
        parents(revision(project, "last"))
    ) == sorted([c, other])
    # One side of a merge: only the other side is left.
    project.db("remove", other, "--yes")
    assert parents(revision(project, "last")) == [c]
    assert database.query(STAMPED) == [(c,)]
    assert database.query("SELECT 1 FROM pg_class WHERE relname = 'o'") == []
    project.alembic("upgrade", "head")
    assert head(project) == last


def test_a_branch_beside_it_is_left_alone(project: Project, database: Database) -> None:
    b, c = rev(project, "b"), rev(project, "c")
    side = write_revision(
        project, "side", "CREATE TABLE side ()", "DROP TABLE side", "--head", b, "--splice"
    )
    commit(project.path)
    project.alembic("upgrade", "heads")
    project.db("remove", c, "--yes")
    assert database.query(STAMPED) == [(side,)]
    assert head(project) == side
    git(project, "checkout", "HEAD", "--", "migrations")
    project.alembic("upgrade", "heads")
    revision(project, "side").unlink()
    project.db("remove", side, "--yes")
    assert database.query(STAMPED) == [(c,)]
    assert head(project) == c


def test_what_depends_on_it_or_on_its_label_is_named(project: Project) -> None:
    write_revision(
        project, "needs", "SELECT 1", "SELECT 1",
        "--head=base", "--branch-label=extra", f"--depends-on={rev(project, 'c')}",
    )  # fmt: skip
    commit(project.path)
    text = refused(project, rev(project, "c"), "--yes")
    assert f"{revision(project, 'needs').name} depends on {rev(project, 'c')}" in text
    write_revision(project, "more", "SELECT 1", "SELECT 1", "--head=extra@head")
    text = refused(project, rev(project, "needs"), "--yes")
    assert "the branch label extra, which would be lost" in text
    project.db("remove", "extra@head", "--yes")
    project.alembic("upgrade", "heads")
    project.db("remove", "extra@head", "--yes")
    assert head(project) == rev(project, "c")
