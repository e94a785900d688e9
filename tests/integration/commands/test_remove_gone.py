"""A revision whose file is gone, and a database that is at it: `db remove` repairs the database."""

import re

import pytest
from campaigns import campaign
from project import Project, commit, run, said, wait_until
from removals import STAMPED, TABLES, history, prepared, refused, rev, undo
from revisions import current, git, head, revision, write_revision
from sample import NewProject
from server import Database
from terminal import on_a_terminal


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    """One with three revisions on a branch, none of them applied."""
    return prepared(new_project())


def uncommitted(project: Project) -> None:
    revision(project, "c").unlink()


def staged_only(project: Project) -> None:
    git(project, "reset", "--quiet", "--soft", "HEAD~1")
    git(project, "reflog", "expire", "--expire=all", "--all")
    revision(project, "c").unlink()


def committed(project: Project) -> None:
    revision(project, "c").unlink()
    commit(project.path)


def on_another_branch(project: Project) -> None:
    git(project, "branch", "other")
    git(project, "reset", "--quiet", "--hard", "HEAD~1")
    git(project, "reflog", "expire", "--expire=all", "--all")


def in_the_reflog(project: Project) -> None:
    git(project, "reset", "--quiet", "--hard", "HEAD~1")


def only_compiled(project: Project) -> None:
    git(project, "reset", "--quiet", "--mixed", "HEAD~1")
    git(project, "reflog", "expire", "--expire=all", "--all")
    revision(project, "c").unlink()


def without_git(project: Project) -> None:
    run("rm", "-rf", ".git", cwd=project.path)
    revision(project, "c").unlink()


@campaign(
    "lose",
    [
        uncommitted,
        staged_only,
        committed,
        on_another_branch,
        in_the_reflog,
    ],
    keep=[committed, in_the_reflog],
)
def test_where_its_file_is_gone_the_database_is_put_to_the_one_before(
    project: Project, database: Database, lose: object
) -> None:
    project.alembic("upgrade", "head")
    b, c = rev(project, "b"), rev(project, "c")
    assert callable(lose)
    lose(project)
    text = refused(project, c[:6])
    assert f"It followed {b}. The schema differs from {b} as listed above." in text
    assert "table c: only the database" in text
    assert "Add --yes" in text
    assert database.query(STAMPED) == [(c,)]
    done = project.db("remove", c, "--yes")
    assert f"The database is at {b} now, and was at {c} before" in done.stderr
    assert database.query(STAMPED) == [(b,)]
    assert database.query(TABLES) == [("a",), ("b",), ("c",)]
    assert head(project) == b
    undo(project, done)
    assert revision(project, "c")
    project.alembic("stamp", "--purge", c)
    project.db("drift")


@pytest.mark.parametrize("lose", [only_compiled, without_git])
def test_what_git_does_not_have_is_asked_for_or_given(
    project: Project, database: Database, lose: object
) -> None:
    project.alembic("upgrade", "head")
    b, c = rev(project, "b"), rev(project, "c")
    assert callable(lose)
    lose(project)
    text = refused(project, c, "--yes")
    assert f"git has no file of {c}, so the revision before it is unknown." in text
    assert f"Name it: uv run db remove {c} --to <revision>" in text
    assert "no file has that revision" in refused(project, c, "--to", "nothing")
    said, code = on_a_terminal(
        project, ("db", "remove", c), [("Which one?", b[:5]), ("Go on?", "y")]
    )
    assert code == 0, said
    assert database.query(STAMPED) == [(b,)]
    database.query("UPDATE alembic_version SET version_num = 'gone'")
    project.db("remove", "gone", "--to", rev(project, "a"), "--yes")
    assert database.query(STAMPED) == [(rev(project, "a"),)]
    database.query("UPDATE alembic_version SET version_num = 'gone'")
    project.db("remove", "gone", "--to", "base", "--yes")
    assert database.query(STAMPED) == []


@campaign("schema", ["public", "sales"], keep=["sales"])
def test_a_repaired_database_without_leftovers_is_what_its_revision_says(
    new_project: NewProject, server: Database, database: Database, schema: str
) -> None:
    project = new_project(database_schema=schema, example=False)
    commit(project.path)
    git(project, "switch", "--quiet", "--create", "mine")
    write_revision(project, "only", "SELECT 1", "SELECT 1")
    with server.another(f'{database.name[-20:]} "it\'s" 数') as odd:
        project = project.given(**odd.environment)
        project.alembic("upgrade", "head")
        only = rev(project, "only")
        commit(project.path)
        revision(project, "only").unlink()
        text = refused(project, only)
        assert "It followed base. The schema matches base." in text
        project.db("remove", only, "--yes")
        assert project.alembic("current").stdout == ""
        project.alembic("upgrade", "head")


def test_several_files_that_are_gone_are_followed_back(
    project: Project, database: Database
) -> None:
    project.alembic("upgrade", "head")
    c, b = rev(project, "c"), rev(project, "b")
    for name in "bc":
        revision(project, name).unlink()
    assert f"{c} followed {b}, which no file has either" in refused(project, c, "--downgrade")
    project.db("remove", c, "--yes")
    assert database.query(STAMPED) == [(rev(project, "a"),)]


@campaign("lose", [uncommitted, committed, in_the_reflog], keep=[uncommitted, in_the_reflog])
def test_what_git_has_can_be_downgraded_though_it_is_gone(
    project: Project, database: Database, lose: object
) -> None:
    project.alembic("upgrade", "head")
    c = rev(project, "c")
    assert callable(lose)
    lose(project)
    before = git(project, "status", "--porcelain", "--", "migrations/versions")
    done = project.db("remove", c, "--downgrade", "--yes")
    assert database.query(TABLES) == [("a",), ("b",)]
    assert current(project) == rev(project, "b")
    assert git(project, "status", "--porcelain", "--", "migrations/versions") == before
    project.db("drift")
    undo(project, done)
    project.db("record_head")
    project.alembic("upgrade", "head")
    assert database.query(TABLES) == [("a",), ("b",), ("c",)]


def test_a_database_that_is_ahead_of_the_code_is_not_taken_for_broken(
    project: Project, database: Database
) -> None:
    project.alembic("upgrade", "head")
    c = rev(project, "c")
    git(project, "branch", "--force", "main", "mine")
    git(project, "reset", "--quiet", "--hard", "HEAD~1")
    text = refused(project, c, "--yes")
    assert "the database is ahead of this code rather than broken" in text
    assert database.query(STAMPED) == [(c,)]
    project.db("remove", c, "--published", "--yes")
    assert database.query(STAMPED) == [(rev(project, "b"),)]


def test_what_was_squashed_is_not_lost(project: Project, database: Database) -> None:
    b = rev(project, "b")
    project.alembic("upgrade", b)
    project.db("squash", "--yes")
    assert f"{b} was squashed into" in refused(project, b, "--yes")
    assert database.query(STAMPED) == [(b,)]


def test_one_that_is_gone_from_the_middle_of_the_files_has_to_come_back(project: Project) -> None:
    b = rev(project, "b")
    revision(project, "b").unlink()
    text = refused(project, b)
    assert (
        f"There is no revision {b}, which migrations/versions/{revision(project, 'c').name}" in text
    )
    found = re.search(r"Restore its file: (git .*?), then uv run db remove", text)
    assert found
    run("sh", "-c", found[1], cwd=project.path)
    project.db("remove", b, "--yes")
    assert history(project) == ["create notes", "a", "c"]


def test_a_database_at_what_is_not_in_the_code_is_repaired_first(
    project: Project, database: Database
) -> None:
    project.alembic("upgrade", "head")
    database.query("UPDATE alembic_version SET version_num = 'gone'")
    text = refused(project, rev(project, "c"))
    assert "If its file was deleted: uv run db remove gone" in text
    for command in (("alembic", "upgrade", "head"), ("db", "doctor"), ("db", "drift")):
        assert "uv run db remove gone" in said(project.run(*command, ok=False))
    assert "uv run db remove <revision>" in said(project.alembic("current", ok=False))


def test_a_killed_repair_never_leaves_the_database_without_a_revision(
    project: Project, database: Database
) -> None:
    project.alembic("upgrade", "head")
    b, c = rev(project, "b"), rev(project, "c")
    revision(project, "c").unlink()
    # What it writes is made to wait, so that it is killed in the middle.
    database.query(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'"
    )
    database.query(
        "CREATE TRIGGER wait BEFORE INSERT ON alembic_version FOR EACH ROW EXECUTE FUNCTION wait()"
    )
    removing = project.begin("db", "remove", c, "--yes")
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    wait_until(lambda: database.value(sleeping))
    removing.kill()
    removing.communicate()
    wait_until(lambda: not database.value(sleeping))
    assert database.query(STAMPED) == [(c,)]
    database.query("DROP TRIGGER wait ON alembic_version")
    project.db("remove", c, "--yes")
    assert database.query(STAMPED) == [(b,)]


def test_a_version_table_that_stays_locked_is_not_waited_for(
    project: Project, database: Database
) -> None:
    project.alembic("upgrade", "head")
    c = rev(project, "c")
    committed(project)
    with database.connect() as other, other.transaction(force_rollback=True):
        other.execute("LOCK alembic_version IN SHARE MODE")
        impatient = project.given(DB_MIGRATION_LOCK_WAIT="1")
        done = impatient.db("remove", c, "--yes", ok=False)
    assert "FAILED: The version table cannot be changed: " in said(done)
    assert database.query(STAMPED) == [(c,)]
