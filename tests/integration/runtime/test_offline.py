"""`--sql`: the script runs as its header says, and is written as a whole or not at all."""

import re
import subprocess

import psycopg.sql
import pytest
from revisions import revise
from sample import NewProject
from server import Database

INDEX = """\
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY ix ON notes (title)")"""


def test_a_script_limits_its_waits_and_makes_the_schema(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    revise(project, "r1", INDEX, 'op.drop_index("ix", "notes")')
    text = project.alembic("upgrade", "head", "--sql").stdout
    assert text.startswith("-- Written by `alembic upgrade --sql` for a database at base.")
    assert text.count("BEGIN;") == text.count("SET LOCAL lock_timeout = '3000ms';") == 2
    assert not re.search(r"BEGIN;\s+(--[^\n]*\s+)*COMMIT;", text)
    with database.connect() as connection:
        for statement in text.split("\n\n"):
            connection.execute(psycopg.sql.SQL(statement))
    assert "revision  r1 (head)" in project.db("status").stdout
    project.db("drift")
    assert not project.alembic("upgrade", "r1:r1", "--sql").stdout
    assert "database at r1" in project.alembic("downgrade", "r1:base", "--sql").stdout


READING = [
    'op.get_bind().execute(sa.text("SELECT 1")).scalar()',
    'list(op.get_bind().execute(sa.text("SELECT 1")))',
    'op.get_bind().scalar(sa.text("SELECT 1"))',
    "sa.inspect(op.get_bind()).get_table_names()",
]


@pytest.mark.parametrize("line", READING)
def test_a_revision_that_reads_is_one_sentence_and_no_half_of_a_script(
    new_project: NewProject, line: str
) -> None:
    project = new_project()
    path = revise(project, "r1", line)
    for words in (("upgrade", "head", "--sql"), ("-q", "upgrade", "head", "--sql")):
        done = project.alembic(*words, ok=False)
        assert done.stdout == ""
        assert f"{path}:" in done.stderr
        assert "The revision reads the database, and --sql has none" in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.count("reads the database") == 1


def test_a_mistake_in_a_revision_is_still_a_traceback(new_project: NewProject) -> None:
    project = new_project()
    revise(project, "r1", "op.nothing()")
    assert "AttributeError" in project.alembic("upgrade", "head", "--sql", ok=False).stderr


@pytest.mark.parametrize(
    "command",
    ["alembic upgrade head --sql", "db upgrade head --sql", "db plan base:head --verbose"],
)
def test_a_reader_that_ends_is_no_error(new_project: NewProject, command: str) -> None:
    project = new_project()
    lines = "\n".join(f'op.execute("SELECT {number} AS {"x" * 50}")' for number in range(2000))
    revise(project, "r1", lines)
    program, *words = command.split()
    process = subprocess.Popen(
        [project.program(program), *words],
        cwd=project.path,
        env=project.environ() | {"PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 141
    assert "Broken" not in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("merged", [True, False])
def test_an_error_is_printed_once(new_project: NewProject, *, merged: bool) -> None:
    project = new_project()
    done = subprocess.run(
        [project.program("alembic"), "upgrade", "nowhere"],
        cwd=project.path,
        env=project.environ() | project.environment | {"PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merged else subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 255
    assert said_by(done).count("Can't locate revision") == 1
    assert ("FAILED" in said_by(done)) == merged


def said_by(done: subprocess.CompletedProcess[str]) -> str:
    """All that was printed; stderr is None if it is merged into stdout."""
    return done.stdout + (done.stderr or "")
