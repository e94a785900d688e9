"""`db statistics`, and the limits that `db plan --check` holds revisions to."""

import json
from pathlib import Path

import pytest
from edit import edit
from project import Project, said
from revisions import NOTES, git, revise
from sample import NewProject
from server import Database

REWRITE = 'op.alter_column("notes", "title", type_=sa.String(100))'
RANGE = f"{NOTES}:head"


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A project with one revision after the first."""
    project = new_project()
    revise(project, "aaaa", f'op.execute("SELECT 1")\n{REWRITE}')
    return project


def limit(project: Project, *options: str) -> None:
    """Write options into the library's section."""
    lines = "".join(f"{option}\n" for option in options)
    edit(project.path / "alembic.ini", "[alembic_live]\n", f"[alembic_live]\n{lines}")


def write_statistics(project: Project, rows: int = 41_000_000) -> None:
    """Write the sizes of a large table."""
    table = {"schema": "public", "name": "notes", "rows": rows, "heap": rows * 200, "indexes": rows}
    path = project.path / "statistics.json"
    path.write_text(json.dumps({"version": 1, "tables": [table]}))


def test_statistics_have_sizes_and_no_data(new_project: NewProject, database: Database) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    database.query("INSERT INTO notes (title) SELECT 'secret' FROM generate_series(1, 1234)")
    database.query('CREATE TABLE "Odd"" ö" (id int)')
    database.query("VACUUM ANALYZE")
    printed = project.db("statistics").stdout
    done = project.db("statistics", "--output", "statistics.json")
    assert "Wrote the sizes of 3 tables to statistics.json." in done.stderr
    assert (project.path / "statistics.json").read_text() == printed
    tables = {each["name"]: each for each in json.loads(printed)["tables"]}
    assert tables["notes"]["rows"] == 1200  # two digits
    assert tables['Odd" ö'] == {
        "schema": "public",
        "name": 'Odd" ö',
        "rows": 0,
        "heap": 0,
        "indexes": 0,
    }
    assert "secret" not in printed
    assert project.db("plan", f":{NOTES}", "--check").returncode == 0
    failed = project.db("statistics", "--output", "nowhere/in/alembic.ini/x", ok=False)
    assert failed.returncode in (0, 1)
    assert "Traceback" not in said(failed)


def test_what_blocks_for_too_long_is_named(project: Project) -> None:
    limit(project, "max_blocking_reads = 2s")
    assert project.db("plan", RANGE, "--check").returncode == 0  # no size is known
    write_statistics(project)
    done = project.db("plan", RANGE, "--check", ok=False)
    assert done.returncode == 1
    assert "migrations/versions/aaaa.py:21: max_blocking_reads: notes (" in done.stderr
    assert (
        "about 41,000,000 rows): ACCESS EXCLUSIVE, blocks reading and writing for " in done.stderr
    )
    assert "while it rewrites notes. max_blocking_reads is 2 s in alembic.ini." in done.stderr
    assert "Instead: add a column, let the service write both" in done.stderr
    report = project.db("plan", RANGE, "--check", "--markdown", ok=False)
    assert report.returncode == 1
    assert "#### Beyond the limits\n\n- `migrations/versions/aaaa.py:21`" in report.stdout
    annotations = project.db("plan", RANGE, "--github")
    place = "file=migrations/versions/aaaa.py,line=21"
    assert f"::error {place},title=max_blocking_reads::notes (" in annotations.stdout
    assert project.db("plan", RANGE).returncode == 0
    write_statistics(project, rows=10)
    assert project.db("plan", RANGE, "--check").returncode == 0
    large = project.path / "large.json"
    write_statistics(project)
    (project.path / "statistics.json").rename(large)
    done = project.db("plan", RANGE, "--check", "--statistics", "large.json", ok=False)
    assert done.returncode == 1


@pytest.mark.parametrize("name", ["notes", "aaaa", "aaaa notes", "n*"])
def test_an_exception_has_a_reason(project: Project, name: str) -> None:
    limit(project, "allow_rewrite = no")
    done = project.db("plan", RANGE, "--check", ok=False)
    assert "aaaa.py:21: allow_rewrite: notes (size unknown)" in done.stderr
    path = project.path / "migrations" / "exceptions.toml"
    path.write_text(f"[plan]\n'{name}' = 'Nobody writes at night.'\n")
    assert project.db("plan", RANGE, "--check").returncode == 0
    path.write_text("[plan]\nothers = 'a reason'\n")
    assert project.db("plan", RANGE, "--check", ok=False).returncode == 1


def test_writes_have_a_limit_too(project: Project) -> None:
    revise(project, "bbbb", 'op.create_index("ix", "notes", ["body"])', follows="aaaa")
    limit(project, "max_blocking_writes = 500ms")
    write_statistics(project)
    done = project.db("plan", "aaaa:bbbb", "--check", ok=False)
    assert "bbbb.py:20: max_blocking_writes: notes (" in done.stderr
    assert "SHARE, blocks writing for " in done.stderr
    assert "Instead: create_index_concurrently(…)" in done.stderr
    revise(
        project,
        "bbbb",
        'operations.create_index_concurrently("ix", "notes", ["body"])',
        follows="aaaa",
    )
    assert project.db("plan", "aaaa:bbbb", "--check").returncode == 0


def test_a_revision_that_fails_is_beyond_every_limit(project: Project) -> None:
    revise(project, "aaaa", 'op.execute("SELECT 1")\nop.drop_table("nowhere")')
    done = project.db("plan", RANGE, "--check", ok=False)
    assert done.returncode == 1
    assert "aaaa.py:21: fails: " in done.stderr
    annotations = project.db("plan", RANGE, "--github").stdout
    assert annotations.count("title=fails::Postgres refused a statement: ") == 1
    path: Path = project.path / "migrations" / "exceptions.toml"
    path.write_text("[plan]\naaaa = 'It needs rows.'\n")
    assert project.db("plan", RANGE, "--check").returncode == 0


WRONG = {
    "max_blocking_reads = 2 days": "max_blocking_reads in [alembic_live] is a duration such as 500ms",
    "max_blocking_writes = -1s": "max_blocking_writes in [alembic_live] is a duration",
    "allow_rewrite = perhaps": "allow_rewrite in [alembic_live] is yes or no, and not perhaps",
}


def test_what_is_wrong_in_a_file_is_said(project: Project) -> None:
    file = project.path / "alembic.ini"
    before = file.read_text()
    for option, words in WRONG.items():
        limit(project, option)
        assert words in project.db("plan", RANGE, "--check", ok=False).stderr
        file.write_text(before)
    for text in ("", "{}", "[]", '{"version": 1, "tables": [{}]}', '{"version": 1, "tables": 3}'):
        (project.path / "statistics.json").write_text(text)
        done = project.db("plan", RANGE, ok=False)
        assert "statistics.json is not what `db statistics` writes" in done.stderr
        assert "Traceback" not in said(done)
    assert project.alembic("upgrade", NOTES).returncode == 0
    assert project.db("plan").returncode == 0  # the database has the sizes
    (project.path / "statistics.json").write_text('{"version": 2}')
    assert "has version 2 of the format" in project.db("plan", RANGE, ok=False).stderr
    done = project.db("plan", RANGE, "--statistics", "gone.json", ok=False)
    assert "gone.json cannot be read" in done.stderr


def test_new_revisions_are_held_to_them_by_a_test(project: Project) -> None:
    test = "test_new_revisions_stay_within_the_limits"

    def outcome() -> str:
        nowhere = project.given()
        nowhere.environment.clear()
        return said(nowhere.run("pytest", "-rs", "tests/test_migrations.py", "-k", test, ok=False))

    assert "1 passed" in outcome()
    limit(project, "max_blocking_reads = 2s")
    assert "1 passed" in outcome()
    (project.path / "migrations/versions/aaaa.py").rename(project.path / "aaaa.py")
    git(project, "init", "--quiet", "--initial-branch", "main")
    git(project, "add", "--all", ":!aaaa.py")
    git(project, "commit", "--quiet", "-m", "one")
    (project.path / "aaaa.py").rename(project.path / "migrations/versions/aaaa.py")
    assert "1 passed" in outcome()
    write_statistics(project)
    assert "aaaa.py:21: max_blocking_reads: notes (" in outcome()
