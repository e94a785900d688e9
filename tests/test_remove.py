"""A bad revision goes, from the files and from the database; nothing is left in between."""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from conftest import Render
from project import Finished, Project, commit, run, said, wait_until
from revisions import DOWN, UP, current, git, head, id_of, revision, write_revision
from server import Database
from terminal import on_a_terminal

FIRST = "5f0e1c2d3a4b"
TABLES = "SELECT relname FROM pg_class WHERE relname IN ('a', 'b', 'c') ORDER BY 1"
STAMPED = "SELECT version_num FROM alembic_version ORDER BY 1"


@pytest.fixture
def project(render: Render, database: Database) -> Project:
    """A project on a branch with revisions a, b and c, each with a table and a commit. The main
    branch has the example's.
    """
    return prepared(render())


def prepared(project: Project, schema: str = "public") -> Project:
    commit(project.path)
    git(project, "switch", "--quiet", "--create", "mine")
    for name in "abc":
        write_revision(
            project, name, f"CREATE TABLE {schema}.{name} ()", f"DROP TABLE {schema}.{name}"
        )
        commit(project.path)
    return project


def rev(project: Project, name: str) -> str:
    return id_of(revision(project, name))


def refused(project: Project, *words: str) -> str:
    """What `db remove` says, after a look that it did nothing but say it."""
    before = files(project)
    done = project.db("remove", *words, ok=False)
    assert done.returncode == 1
    assert "Traceback" not in said(done)
    assert files(project) == before
    return " ".join(said(done).split())


def files(project: Project) -> dict[str, str]:
    folder = project.path / "migrations"
    return {path.name: path.read_text() for path in [*project.versions, folder / "head.txt"]}


def undo(project: Project, done: Finished) -> None:
    """Type the git command that was printed."""
    found = re.search(r"^Undo: (git [^&\n]*)", done.stderr, re.MULTILINE)
    assert found, done.stderr
    run("sh", "-c", found[1], cwd=project.path)


def history(project: Project) -> list[str]:
    """The messages, oldest first."""
    lines = project.alembic("history").stdout.splitlines()
    return [line.split(", ")[-1] for line in reversed(lines)]


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
    assert "no terminal to ask on. Add --yes" in refused(project, b)
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


def test_the_one_before_the_first_is_base(project: Project) -> None:
    project.db("remove", FIRST, "--published", "--yes")
    assert history(project) == ["a", "b", "c"]
    assert "down_revision: str | Sequence[str] | None = None" in revision(project, "a").read_text()
    project.alembic("upgrade", "head")


@pytest.mark.parametrize(
    ("schema", "driver"), [("public", "asyncpg"), ("sales", "asyncpg"), ("public", "psycopg")]
)
def test_the_newest_that_is_applied_is_downgraded_first(
    render: Render, database: Database, schema: str, driver: str
) -> None:
    project = render(database_schema=schema)
    if driver != "asyncpg":
        project.run("uv", "add", "--quiet", "psycopg[binary]")
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
    assert f"and so is {rev(project, 'c')} after it, so it cannot be taken out" in text
    assert database.query(STAMPED) == [(rev(project, "c"),)]
    # The recipe, as it says.
    path = revision(project, "b")
    [down] = map(int, re.findall(r"body of downgrade\(\) \(line (\d+)\)", text))
    [up] = map(int, re.findall(r"that of upgrade\(\) \(line (\d+)\)", text))
    lines = path.read_text().splitlines(keepends=True)
    assert [lines[up - 1], lines[down - 1]] == [
        "def upgrade() -> None:\n",
        "def downgrade() -> None:\n",
    ]
    assert f'uv run alembic revision -m "Undo {b}"' in text
    project.alembic("revision", "-m", f"Undo {b}")
    new = project.file("migrations/versions/*_undo_*.py")
    bodies = {function: "".join(lines[line + 1 : line + 2]) for function, line in
              (("upgrade", up), ("downgrade", down))}  # fmt: skip
    new.write_text(
        new.read_text()
        .replace(UP, UP + bodies["downgrade"])
        .replace(DOWN, DOWN + bodies["upgrade"])
    )
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


@pytest.mark.parametrize(
    "lose",
    [
        uncommitted,
        staged_only,
        committed,
        on_another_branch,
        in_the_reflog,
        only_compiled,
        without_git,
    ],
)
def test_where_its_file_is_gone_the_database_is_put_to_the_one_before(
    project: Project, database: Database, lose: object
) -> None:
    project.alembic("upgrade", "head")
    b, c = rev(project, "b"), rev(project, "c")
    assert callable(lose)
    lose(project)
    text = refused(project, c[:6])
    assert f"Before it was {b}, from which the schema differs as shown" in text
    assert "table c: only the database" in text
    assert "Add --yes" in text
    assert database.query(STAMPED) == [(c,)]
    done = project.db("remove", c, "--yes")
    assert f"The database is at {b} now, and was at {c} before" in done.stderr
    assert database.query(STAMPED) == [(b,)]
    assert database.query(TABLES) == [("a",), ("b",), ("c",)]
    assert head(project) == b
    if "Undo: git" in done.stderr:
        undo(project, done)
        assert revision(project, "c")
        project.alembic("stamp", "--purge", c)
        project.db("drift")
    else:
        assert lose in (only_compiled, without_git)


def test_what_nothing_knows_is_asked_for_or_given(project: Project, database: Database) -> None:
    project.alembic("upgrade", "head")
    b, c = rev(project, "b"), rev(project, "c")
    without_git(project)
    run("rm", "-r", "migrations/versions/__pycache__", cwd=project.path)
    text = refused(project, c, "--yes")
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


@pytest.mark.parametrize("schema", ["public", "sales"])
def test_a_repaired_database_without_leftovers_is_what_its_revision_says(
    render: Render, server: Database, database: Database, schema: str
) -> None:
    project = render(database_schema=schema, example=False)
    write_revision(project, "only", "SELECT 1", "SELECT 1")
    with server.another(f'{database.name[-20:]} "it\'s" 数') as odd:
        project = project.given(**odd.environment)
        project.alembic("upgrade", "head")
        only = rev(project, "only")
        revision(project, "only").unlink()
        text = refused(project, only)
        assert "Before it was base, and the schema is what that says" in text
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


@pytest.mark.parametrize("lose", [uncommitted, committed, in_the_reflog])
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
    assert "the database is rather ahead of this code than broken" in text
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
    found = re.search(r"Bring its file back: (git .*?), then uv run db remove", text)
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
    assert "If its file was removed: uv run db remove gone" in text
    for command in (("alembic", "upgrade", "head"), ("db", "doctor"), ("db", "drift")):
        assert "uv run db remove gone" in said(project.run(*command, ok=False))
    assert "uv run db remove <revision>" in said(project.alembic("current", ok=False))


def test_without_a_database_it_asks(project: Project) -> None:
    c, nowhere = rev(project, "c"), project.given(DB_PORT="1")
    text = refused(nowhere, c)
    assert "It is not known which revisions are applied" in text
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
    assert "git did not have it, so there is no undo" in done.stderr
    path = revision(project, "c")
    path.write_text(path.read_text() + "# more\n")
    assert f"{path.name} not as it is now" in refused(project, "head")
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
    "raise NotImplementedError('Rows were merged.')": "cannot be taken back: Rows were merged.",
}


@pytest.mark.parametrize(("body", "words"), BAD_DOWNGRADES.items(), ids=BAD_DOWNGRADES.values())
def test_one_that_cannot_be_taken_back_stays(
    project: Project, database: Database, body: str, words: str
) -> None:
    project.alembic("upgrade", "head")
    path = revision(project, "c")
    path.write_text(path.read_text().replace('op.execute("DROP TABLE public.c")', body))
    assert words in refused(project, "head", "--yes")
    assert database.query(STAMPED) == [(rev(project, "c"),)]


def test_what_a_downgrade_leaves_behind_is_shown_before(project: Project) -> None:
    path = revision(project, "c")
    path.write_text(path.read_text().replace("TABLE public.c ()", "TYPE public.c AS ENUM ('x')"))
    path.write_text(path.read_text().replace("DROP TABLE public.c", "SELECT 1"))
    project.alembic("upgrade", "head")
    text = refused(project, "head")
    assert "does not bring back what was there before" in text
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
        assert f"{odd} does not say what it is and follows" in said(done)
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
    assert f"head may be each of {rev(project, 'one')}, {rev(project, 'two')}" in refused(
        project, "head"
    )
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


def parents(path: Path) -> list[str]:
    found = re.search(r"^down_revision.*?= (.*)$", path.read_text(), re.MULTILINE)
    assert found
    return re.findall('"(.*?)"', found[1])


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
    assert "the label extra, which would be lost" in text
    project.db("remove", "extra@head", "--yes")
    project.alembic("upgrade", "heads")
    project.db("remove", "extra@head", "--yes")
    assert head(project) == rev(project, "c")


def test_a_process_that_migrates_meanwhile_is_waited_for(
    project: Project, database: Database
) -> None:
    project.run("true")
    path = revision(project, "c")
    path.write_text(path.read_text().replace(UP, f'{UP}    op.execute("SELECT pg_sleep(3)")\n'))
    commit(project.path)
    before = files(project)
    migrating = project.begin("alembic", "upgrade", "head")
    wait_until(lambda: database.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
    removing = project.begin("db", "remove", rev(project, "c"))
    text, _ = removing.communicate(timeout=60)
    migrating.communicate(timeout=60)
    assert "Waiting for another process that migrates: pid" in text
    assert removing.returncode == 1
    assert "Another process has migrated meanwhile" in text
    assert files(project) == before
    assert current(project) == rev(project, "c")


@pytest.mark.parametrize("runs", [4, pytest.param(40, marks=pytest.mark.full)])
def test_a_killed_removal_leaves_what_the_next_one_finishes(
    project: Project, database: Database, runs: int
) -> None:
    project.run("true")
    b, c = rev(project, "b"), rev(project, "c")
    path = revision(project, "b")
    path.write_text(
        path.read_text().replace(DOWN, f'{DOWN}    op.execute("SELECT pg_sleep(.2)")\n')
    )
    commit(project.path)
    duration = 0.0
    for number in range(runs + 1):
        git(project, "reset", "--quiet", "--hard")
        project.alembic("upgrade", b)
        began = time.monotonic()
        removing = project.begin("db", "remove", b, "--yes")
        if number:  # the first one shows how long it takes
            time.sleep(duration * (0.4 + 0.6 * number / runs))
            removing.kill()
        text, _ = removing.communicate(timeout=60)
        assert number or removing.returncode == 0, text
        duration = duration or time.monotonic() - began
        now = current(project)  # which no command would say of a history with a hole
        assert now in (b, rev(project, "a"))
        assert database.query(TABLES) == [("a",), ("b",)][: 1 + (now == b)]
        if path.exists():
            project.db("remove", b, "--yes")
        assert history(project) == ["create notes", "a", "c"]
        assert current(project) == rev(project, "a")
        project.db("record_head")
        assert head(project) == c


def test_killed_before_git_removes_the_file_the_history_is_whole(
    project: Project, tmp_path: Path
) -> None:
    project.run("true")
    a, b, c = (rev(project, name) for name in "abc")
    # A git that never comes to an end where it is to remove something.
    slow, real = tmp_path / "slow", shutil.which("git")
    slow.mkdir()
    (slow / "git").write_text(
        f'#!/bin/sh\ncase $3 in rm) echo $$ > {slow}/pid; exec sleep 600;; *) exec {real} "$@";; esac\n'
    )
    (slow / "git").chmod(0o755)
    removing = project.given(PATH=f"{slow}:{os.environ['PATH']}").begin("db", "remove", b, "--yes")
    wait_until(lambda: (slow / "pid").exists() and (slow / "pid").read_text() != "")
    removing.kill()
    os.kill(int((slow / "pid").read_text()), signal.SIGKILL)
    removing.communicate()
    assert parents(revision(project, "c")) == [a]
    assert id_of(revision(project, "b")) == b  # a head of its own until the next one
    project.alembic("upgrade", c)
    project.db("remove", b, "--yes")
    assert history(project) == ["create notes", "a", "c"]
    assert head(project) == c


def test_a_killed_repair_never_leaves_the_database_without_a_revision(
    project: Project, database: Database
) -> None:
    project.run("true")
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
