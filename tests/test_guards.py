"""The rendered tests: they catch what they are there for, and leave other databases alone."""

import hashlib
import re
import subprocess

import psutil
import pytest
from conftest import Render
from project import Project, wait_until
from server import Database

pytestmark = pytest.mark.typed

UP = '    """Bring the schema to this revision."""\n'
DOWN = '    """Take the schema back to the revision before."""\n'


@pytest.fixture
def project(render: Render) -> Project:
    """A project that has no server but the one that its tests start."""
    project = render()
    project.environment.clear()
    return project


AGREE = "test_the_models_and_the_migrations_agree"
STAIRWAY = "test_every_revision_goes_up_and_down_and_up"


def fails(project: Project, *tests: str) -> str:
    """What the project's tests say when these, and no others, fail."""
    done = project.run("pytest", "tests/test_migrations.py", ok=False)
    failed = re.findall(r"FAILED tests/test_migrations.py::(\w+)", done.stdout)
    assert sorted(failed) == sorted(tests)
    return done.stdout


def write_revision(project: Project, up: str, down: str) -> None:
    project.alembic("revision", "-m", "by hand")
    [path] = project.path.glob("migrations/versions/*_by_hand.py")
    path.write_text(path.read_text().replace(UP, UP + up).replace(DOWN, DOWN + down))


def test_a_model_without_a_revision_is_caught(project: Project) -> None:
    note = project.models / "note.py"
    note.write_text(note.read_text() + "    pages: Mapped[int]\n")
    said = fails(project, AGREE, "test_the_models_make_what_the_migrations_make")
    assert "add_column" in said
    assert "pages" in said


def test_two_heads_are_caught(project: Project) -> None:
    first = project.versions[0].name.split("-")[1].split("_")[0]
    for name in ("one", "two"):
        project.alembic("revision", "-m", name, "--head", first, "--splice")
    assert "uv run alembic merge heads" in fails(project, "test_the_history_has_one_head")
    project.alembic("merge", "heads", "-m", "join them")
    assert "9 passed" in project.run("pytest").stdout


def test_what_a_person_can_mend_is_said_in_a_sentence(project: Project) -> None:
    write_revision(project, '    op.execute("ALTER TABLE nowhere ADD x int")\n', "")
    said = project.run("pytest", ok=False).stdout
    assert 'relation "nowhere" does not exist' in said
    assert "correct it, then run the command again" in said
    assert len(said.splitlines()) < 60
    (project.path / "tests" / "test_alone.py").write_text(
        "from my_service.database.session import session\n\n\n"
        "async def test_alone() -> None:\n    async with session():\n        pass\n"
    )
    said = project.run("pytest", "tests/test_alone.py", ok=False).stdout
    assert "In a test, the fixture `db` sets the DB_* settings" in said


def test_a_type_that_a_downgrade_leaves_behind_is_caught(project: Project) -> None:
    write_revision(project, "    op.execute(\"CREATE TYPE mood AS ENUM ('good')\")\n", "")
    said = fails(project, STAIRWAY, AGREE)
    assert "_by_hand.py) does not bring back what was there before" in said


def test_a_downgrade_that_takes_too_much_is_caught(project: Project) -> None:
    write_revision(project, "", '    op.drop_column("notes", "body")\n')
    said = fails(project, STAIRWAY)
    assert "_by_hand.py) does not bring back what was there before" in said


def test_the_database_in_env_is_never_touched(render: Render, database: Database) -> None:
    project = render()
    settings = "".join(f"{name}='{value}'\n" for name, value in database.environment.items())
    (project.path / ".env").write_text(settings)
    project.environment.clear()
    database.query("CREATE TABLE notes AS SELECT 42 AS mine")
    project.run("pytest")
    assert database.query("SELECT mine FROM notes") == [(42,)]


def test_the_server_in_env_is_not_asked(project: Project) -> None:
    nobody_there = {"HOST": "127.0.0.1", "PORT": "1", "USER": "x", "PASSWORD": "x", "NAME": "x"}
    settings = "".join(f"DB_{name}={value}\n" for name, value in nobody_there.items())
    (project.path / ".env").write_text(settings)
    project.run("pytest", "tests/test_note.py")


def test_a_server_of_the_environment_is_used_and_left_as_it_was(
    render: Render, database: Database
) -> None:
    project = render()
    databases = "SELECT datname FROM pg_database ORDER BY 1"
    before = database.query(databases)
    assert "9 passed" in project.run("pytest", "-n", "2").stdout
    assert database.query(databases) == before
    assert database.query("SELECT 1 FROM pg_class WHERE relname = 'notes'") == []
    nobody_there = project.given(DB_PORT="1").run("pytest", ok=False)
    assert "Connection refused" in nobody_there.stdout


def test_what_a_killed_run_leaves_behind_is_swept_up_by_the_next(project: Project) -> None:
    (project.path / "tests" / "test_slow.py").write_text(
        "import time\nfrom pathlib import Path\n\n\n"
        "def test_slow(database: object) -> None:\n"
        '    Path("slow").touch()\n'
        "    time.sleep(600)\n"
    )
    project.run("true")
    run = subprocess.Popen(
        [project.program("pytest"), "tests/test_slow.py"],
        cwd=project.path,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until((project.path / "slow").exists)
    run.kill()
    run.wait()
    [left] = servers_of(project)
    (project.path / "tests" / "test_slow.py").unlink()
    assert "9 passed" in project.run("pytest").stdout
    left.wait(timeout=20)
    assert servers_of(project) == []


def test_two_runs_at_once_share_a_server(project: Project) -> None:
    project.run("true")
    runs = [
        subprocess.Popen(
            [project.program("pytest")], cwd=project.path, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [run.communicate()[0] for run in runs]
    assert ["9 passed" in output for output in outputs] == [True, True], outputs
    assert servers_of(project) == []


def servers_of(project: Project) -> list[psutil.Process]:
    """The servers that the project's tests have started and that still run."""
    folder = hashlib.sha256(str(project.path).encode()).hexdigest()[:12]
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(folder in part for part in process.info["cmdline"] or [])
    ]
