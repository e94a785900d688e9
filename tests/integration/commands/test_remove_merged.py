"""Git histories in which a revision followed one revision and then another: `db remove` finds the
one that came before it in the database, or says that it cannot tell.
"""

import os
import signal
from collections.abc import Callable

import pytest
from campaigns import campaign
from edit import edit
from project import PATIENCE, Project, commit, run, said, wait_until
from removals import FIRST, STAMPED, refused, rev
from revisions import DOWN, current, git, head, revision, write_revision
from sample import NewProject
from server import Database
from terminal import on_a_terminal

TABLES = "SELECT relname FROM pg_class WHERE relname IN ('mine', 'theirs') ORDER BY 1"


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    """One with a revision on the branch `side`, which is checked out, and another on `trunk`. Both
    follow the first one.
    """
    project = new_project()
    commit(project.path)
    git(project, "branch", "--move", "trunk")  # no name of a main branch
    git(project, "switch", "--quiet", "--create", "side")
    add(project, "mine")
    git(project, "switch", "--quiet", "trunk")
    add(project, "theirs")
    git(project, "switch", "--quiet", "side")
    return project


def add(project: Project, name: str) -> None:
    """Add a revision that makes a table, and commit it."""
    write_revision(project, name, f"CREATE TABLE {name} ()", f"DROP TABLE {name}")
    commit(project.path)


def rebase(project: Project, *options: str) -> None:
    """Mine goes behind theirs."""
    project.db("rebase", "--onto", rev(project, "theirs"), *options)


def merge_commit(project: Project, *parents: str) -> None:
    """Commit what is there as a merge of these parents, whatever git would make of them."""
    git(project, "add", "--all")
    tree = git(project, "write-tree").strip()
    words = [word for parent in parents for word in ("-p", parent)]
    made = git(project, "commit-tree", tree, "-m", "Merge", *words).strip()
    git(project, "reset", "--quiet", "--hard", made)


def a_merge(project: Project) -> None:
    git(project, "merge", "trunk", ok=False)
    rebase(project)
    commit(project.path)


def a_merge_into_the_trunk(project: Project) -> None:
    git(project, "switch", "--quiet", "trunk")
    git(project, "merge", "side", ok=False)
    rebase(project)
    commit(project.path)
    git(project, "branch", "--delete", "--force", "side")


def an_octopus(project: Project) -> None:
    git(project, "switch", "--quiet", "--create", "third", "trunk")
    (project.path / "notes.txt").write_text("third\n")
    commit(project.path)
    git(project, "switch", "--quiet", "side")
    git(project, "checkout", "third", "--", "notes.txt", "migrations/versions")
    rebase(project)
    merge_commit(project, "side", "trunk", "third")


def a_squash_merge(project: Project) -> None:
    git(project, "switch", "--quiet", "trunk")
    git(project, "merge", "--squash", "side", ok=False)
    rebase(project)
    commit(project.path)


def an_evil_merge(project: Project) -> None:
    """No parent has the file as the merge has it, nor under that name."""
    git(project, "merge", "trunk", ok=False)
    rebase(project)
    git(
        project,
        "mv",
        "--force",
        str(revision(project, "mine")),
        "migrations/versions/moved_mine.py",
    )
    commit(project.path)


def an_amended_merge(project: Project) -> None:
    git(project, "merge", "trunk", ok=False)
    commit(project.path)
    rebase(project)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--amend", "--no-edit")


def a_rebase_in_git(project: Project) -> None:
    git(project, "rebase", "trunk", ok=False)
    rebase(project)
    git(project, "add", "--all")
    git(project, "-c", "core.editor=true", "rebase", "--continue")


def a_merge_of_a_merge(project: Project) -> None:
    git(project, "switch", "--quiet", "--create", "later", "trunk")
    git(project, "merge", "side", ok=False)
    rebase(project)
    commit(project.path)
    git(project, "switch", "--quiet", "trunk")
    git(project, "merge", "--no-ff", "later", "--message", "Merge again")


def a_change_behind_the_merge(project: Project) -> None:
    a_merge(project)
    path = revision(project, "mine")
    path.write_text(f"{path.read_text()}# more\n")
    commit(project.path)


HISTORIES = (
    a_merge,
    a_merge_into_the_trunk,
    an_octopus,
    a_squash_merge,
    an_evil_merge,
    an_amended_merge,
    a_rebase_in_git,
    a_merge_of_a_merge,
    a_change_behind_the_merge,
)


def not_committed(project: Project) -> None:
    revision(project, "mine").unlink()


def committed(project: Project) -> None:
    git(project, "rm", "--quiet", str(revision(project, "mine")))
    commit(project.path)


def reverted(project: Project) -> None:
    git(project, "revert", "--no-edit", "-m", "1", "HEAD", ok=False)


@campaign("merge", HISTORIES, keep=[an_octopus, a_rebase_in_git])
def test_the_one_before_is_that_of_the_merge(
    project: Project, database: Database, merge: Callable[[Project], None]
) -> None:
    merge(project)
    mine, theirs = rev(project, "mine"), rev(project, "theirs")
    project.alembic("upgrade", "head")
    committed(project)
    # What a person's own settings of git are must not matter.
    for name, value in (("log.diffMerges", "off"), ("log.showSignature", "true")):
        git(project, "config", name, value)
    done = project.db("remove", mine, "--yes")
    assert "Undo: git checkout" in done.stderr
    assert database.query(STAMPED) == [(theirs,)]
    project.alembic("upgrade", "head")


@campaign("lose", [not_committed, committed], keep=[committed])
def test_a_downgrade_goes_to_the_one_of_the_merge(
    project: Project, database: Database, lose: Callable[[Project], None]
) -> None:
    a_merge(project)
    mine, theirs = rev(project, "mine"), rev(project, "theirs")
    project.alembic("upgrade", "head")
    lose(project)
    status = ("status", "--porcelain", "--", "migrations/versions")
    before = git(project, *status)
    assert "Add --yes" in refused(project, mine, "--downgrade")
    assert git(project, *status) == before
    project.db("remove", mine, "--downgrade", "--yes")
    assert git(project, *status) == before
    assert database.query(STAMPED) == [(theirs,)]
    assert database.query(TABLES) == [("theirs",)]
    project.alembic("upgrade", "head")
    project.db("drift")


@pytest.mark.full
def test_a_reverted_merge_is_followed_back_to_the_merge(
    project: Project, database: Database
) -> None:
    a_merge_into_the_trunk(project)
    mine, theirs = rev(project, "mine"), rev(project, "theirs")
    project.alembic("upgrade", "head")
    reverted(project)
    project.db("remove", mine, "--yes")
    assert database.query(STAMPED) == [(theirs,)]
    project.alembic("upgrade", "head")


@campaign("downgrade", [False, True], keep=[True])
def test_a_database_from_before_the_merge_goes_back_to_where_it_was(
    project: Project, database: Database, downgrade: bool
) -> None:
    mine = rev(project, "mine")
    project.alembic("upgrade", "head")
    git(project, "merge", "trunk", ok=False)
    rebase(project, "--applied")
    commit(project.path)
    committed(project)
    project.db("remove", mine, "--yes", *(["--downgrade"] if downgrade else []))
    assert database.query(STAMPED) == [(FIRST,)]
    assert database.query(TABLES) == ([] if downgrade else [("mine",)])
    project.alembic("upgrade", "head")
    assert ("theirs",) in database.query(TABLES)


def without_a_trace(project: Project) -> None:
    """Theirs changes no schema, so the schema does not tell whether it was applied."""
    git(project, "switch", "--quiet", "trunk")
    path = revision(project, "theirs")
    edit(path, "CREATE TABLE theirs ()", "SELECT 1")
    edit(path, "DROP TABLE theirs", "SELECT 1")
    commit(project.path)
    git(project, "switch", "--quiet", "side")


def test_where_the_schema_does_not_tell_it_is_asked_for(
    project: Project, database: Database
) -> None:
    without_a_trace(project)
    a_merge(project)
    mine, theirs = rev(project, "mine"), rev(project, "theirs")
    project.alembic("upgrade", "head")
    committed(project)
    for options in ((), ("--downgrade",)):
        text = refused(project, mine, "--yes", *options)
        assert f"In git, {mine} follows different revisions, and the schema does not tell" in text
        assert f"{theirs}: git checkout" in text
        assert f"{FIRST}: git checkout" in text
        assert f"uv run db remove {mine} --to <revision>" in text
        assert database.query(STAMPED) == [(mine,)]
    assert "git has no file of" in refused(project, mine, "--downgrade", "--to", "base")
    project.db("remove", mine, "--downgrade", "--to", theirs, "--yes")
    assert database.query(STAMPED) == [(theirs,)]
    assert database.query(TABLES) == []


@pytest.mark.full
def test_a_schema_that_was_changed_by_hand_does_not_tell(
    project: Project, database: Database
) -> None:
    a_merge(project)
    mine, theirs = rev(project, "mine"), rev(project, "theirs")
    project.alembic("upgrade", "head")
    committed(project)
    database.query("ALTER TABLE theirs ADD by_hand int")
    assert "the schema does not tell" in refused(project, mine, "--yes")
    project.db("remove", mine, "--to", theirs[:6], "--yes")
    assert database.query(STAMPED) == [(theirs,)]


def in_the_index(project: Project) -> None:
    git(project, "add", "--all")
    git(project, "stash", "--quiet")


def not_in_the_index(project: Project) -> None:
    git(project, "stash", "--quiet", "--include-untracked")


@campaign("stash", [in_the_index, not_in_the_index], keep=[not_in_the_index])
def test_a_revision_that_is_stashed_is_found(
    project: Project, database: Database, stash: Callable[[Project], None]
) -> None:
    mine = rev(project, "mine")
    write_revision(project, "new", "CREATE TABLE new ()", "DROP TABLE new")
    new = rev(project, "new")
    project.alembic("upgrade", "head")
    stash(project)
    assert not list((project.path / "migrations" / "versions").glob("*_new.py"))
    done = project.db("remove", new, "--downgrade", "--yes")
    assert "Undo: git checkout" in done.stderr
    assert database.query(STAMPED) == [(mine,)]
    assert current(project) == mine


@pytest.mark.full
def test_several_that_are_gone_are_followed_back_through_the_merge(
    project: Project, database: Database
) -> None:
    write_revision(project, "more", "CREATE TABLE more ()", "DROP TABLE more")
    commit(project.path)
    a_merge(project)
    more, theirs = rev(project, "more"), rev(project, "theirs")
    project.alembic("upgrade", "head")
    for name in ("mine", "more"):
        revision(project, name).unlink()
    commit(project.path)
    project.db("remove", more, "--yes")
    assert database.query(STAMPED) == [(theirs,)]
    project.alembic("upgrade", "head")


@pytest.mark.full
def test_a_refused_downgrade_leaves_no_file_behind(project: Project, database: Database) -> None:
    mine = rev(project, "mine")
    project.alembic("upgrade", "head")
    committed(project)
    before = git(project, "status", "--porcelain", "--ignored=no")
    assert "Nothing was done" in refused(project, mine, "--downgrade")
    text, code = on_a_terminal(
        project, ("db", "remove", mine, "--downgrade"), [("rows that it drops are lost", "n")]
    )
    assert code == 1, text
    assert git(project, "status", "--porcelain") == before
    assert database.query(STAMPED) == [(mine,)]
    # Where the downgrade itself fails, too.
    database.query("DROP TABLE mine")
    failed = project.db("remove", mine, "--downgrade", "--yes", ok=False)
    assert 'table "mine" does not exist' in said(failed)
    assert git(project, "status", "--porcelain") == before
    assert database.query(STAMPED) == [(mine,)]


def test_a_file_of_that_name_with_another_revision_is_left_alone(
    project: Project, database: Database
) -> None:
    mine, path = rev(project, "mine"), revision(project, "mine")
    project.alembic("upgrade", "head")
    edit(path, mine, "abcdefabcdef", times=2)
    text = refused(project, mine, "--downgrade", "--yes")
    assert f"{path.name} exists and has another revision" in text
    assert "abcdefabcdef" in path.read_text()


def test_a_killed_downgrade_is_finished_by_the_next(project: Project, database: Database) -> None:
    path = revision(project, "mine")
    edit(path, DOWN, f'{DOWN}    op.execute("SELECT pg_sleep(2)")\n')
    commit(project.path)
    mine = rev(project, "mine")
    project.alembic("upgrade", "head")
    committed(project)
    removing = project.begin("db", "remove", mine, "--downgrade", "--yes")
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'"
    wait_until(lambda: bool(database.value(asleep, database.name)))
    os.kill(removing.pid, signal.SIGKILL)
    removing.communicate(timeout=PATIENCE)
    wait_until(lambda: not database.value(asleep, database.name))
    assert database.query(STAMPED) == [(mine,)]
    project.db("remove", mine, "--yes", "--published")
    assert database.query(STAMPED) == [(FIRST,)]
    assert not path.exists()
    assert head(project) == FIRST
    run("git", "diff", "--quiet", "HEAD", "--", "migrations/versions", cwd=project.path)
