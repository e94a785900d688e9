"""The server and the databases of a test run: they are its own, private, and gone at the end."""

import json
import os
import stat
import subprocess
from pathlib import Path

import psutil
import pytest
from project import Project, wait_until
from sample import NewProject
from server import Database


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A project that has no server but the one that its tests start."""
    project = new_project()
    project.environment.clear()
    return project


def test_the_database_in_env_is_never_touched(new_project: NewProject, database: Database) -> None:
    project = new_project()
    settings = "".join(f"{name}='{value}'\n" for name, value in database.environment.items())
    (project.path / ".env").write_text(settings)
    project.environment.clear()
    database.query("CREATE TABLE notes AS SELECT 42 AS mine")
    project.run("pytest")
    assert database.query("SELECT mine FROM notes") == [(42,)]


def test_the_server_in_env_is_not_asked(project: Project) -> None:
    nobody_there = {"HOST": "127.0.0.1", "PORT": "1", "USER": "x", "PASSWORD": "x", "NAME": "x"}
    others = {
        "READ_HOST": "nowhere.invalid", "PASSWORD_COMMAND": "false", "SERVICE": "nowhere",
        "SSLCERT": "/nowhere", "SSLROOTCERT": "system", "MIGRATION_POOLER": "session",
    }  # fmt: skip
    settings = "".join(f"DB_{name}={value}\n" for name, value in {**nobody_there, **others}.items())
    (project.path / ".env").write_text(f"{settings}DATABASE_URL=postgres://nobody@nowhere/x?y=z\n")
    (project.path / "tests" / "test_read.py").write_text(
        "from my_service.database import project\n\n\n"
        "def test_addresses_agree() -> None:\n"
        "    assert project.read_address is None\n"
        "    assert project.application_address == project.migration_address\n"
    )
    project.run("pytest", "-k", "agree")


def test_a_server_of_the_environment_is_used_and_left_as_it_was(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    databases = "SELECT datname FROM pg_database ORDER BY 1"
    before = database.query(databases)
    assert "8 passed" in project.run("pytest", "-n", "2").stdout
    assert database.query(databases) == before
    assert database.query("SELECT 1 FROM pg_class WHERE relname = 'notes'") == []
    nobody_there = project.given(DB_PORT="1").run("pytest", ok=False)
    assert "Connection refused" in nobody_there.stdout


LOOK = """
import json, os
from pathlib import Path


def test_look(database: object) -> None:
    Path(f"seen-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}").write_text(
        json.dumps([os.environ["ALEMBIC_LIVE_TEST_SERVER"], os.environ["DB_NAME"]])
    )
    folder = Path(os.environ["ALEMBIC_LIVE_TEST_SERVER"])
    status = folder.lstat()
    assert status.st_uid == os.geteuid()
    # As root, the account of the server may enter it, and nobody else.
    assert status.st_mode & 0o777 == (0o710 if os.geteuid() == 0 else 0o700)
    assert not folder.is_symlink()
    assert "127.0.0.1" not in os.environ["DB_HOST"]
"""


def test_a_server_of_the_run_s_own_is_private_and_gone_at_the_end(project: Project) -> None:
    (project.path / "tests" / "test_look.py").write_text(LOOK)
    folders = set()
    for _ in range(2):
        project.run("pytest", "tests/test_look.py")
        folder, _name = json.loads((project.path / "seen-main").read_text())
        assert not os.path.lexists(folder)
        assert not os.path.lexists(f"{folder}.lock")
        folders.add(folder)
    assert len(folders) == 2  # the name cannot be guessed


def test_workers_share_the_server_and_have_a_database_each(project: Project) -> None:
    for number in range(2):
        (project.path / "tests" / f"test_look_{number}.py").write_text(
            LOOK + f"    import time; time.sleep(2)  # {number}\n"
        )
    project.run("pytest", "-n", "2", "tests/test_look_0.py", "tests/test_look_1.py")
    seen = [json.loads(path.read_text()) for path in project.path.glob("seen-gw*")]
    assert len(seen) == 2
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] != seen[1][1]


def test_a_leftover_that_is_somebody_else_s_is_left_alone(project: Project) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    (project.path / "tests" / "test_look.py").write_text(LOOK)
    project.run("pytest", "tests/test_look.py")
    folder = Path(json.loads((project.path / "seen-main").read_text())[0])
    folder.mkdir()  # of a process that runs no more
    (folder / "kept").touch()
    os.chown(folder, 1, 1)
    try:
        project.run("pytest", "tests/test_look.py")
        assert stat.S_ISDIR(folder.lstat().st_mode)
        assert (folder / "kept").exists()
    finally:
        (folder / "kept").unlink()
        folder.rmdir()


@pytest.mark.full
def test_a_test_that_has_no_database_is_told_how_to_get_one(
    project: Project, new_project: NewProject
) -> None:
    alone = (
        "from my_service.database import project\n\n\n"
        "def test_alone() -> None:\n"
        "    from alembic_live.postgres.connection import make_engine, with_connection\n\n"
        "    with_connection(make_engine(project.migration_address), print)\n"
    )
    for each in (project, new_project()):  # the second has a server of the environment
        (each.path / "tests" / "test_alone.py").write_text(alone)
        said = each.run("pytest", "tests/test_alone.py", ok=False).stdout
        assert "only the fixture `database` creates. Request this fixture" in said


def test_what_a_killed_run_leaves_behind_is_swept_up_by_the_next(project: Project) -> None:
    (project.path / "tests" / "test_slow.py").write_text(
        "import time\nfrom pathlib import Path\n\n\n"
        "def test_slow(database: object) -> None:\n"
        '    Path("slow").touch()\n'
        "    time.sleep(600)\n"
    )
    run = project.begin("pytest", "tests/test_slow.py")
    wait_until((project.path / "slow").exists)
    run.kill()
    run.communicate()
    [left] = servers_of(run)
    (project.path / "tests" / "test_slow.py").unlink()
    assert "8 passed" in project.run("pytest").stdout
    left.wait(timeout=20)
    assert servers_of(run) == []


@pytest.mark.full
def test_two_runs_at_once_leave_each_other_alone(project: Project) -> None:
    runs = [project.begin("pytest") for _ in range(2)]
    outputs = [run.communicate()[0] for run in runs]
    assert ["8 passed" in output for output in outputs] == [True, True], outputs
    assert [servers_of(run) for run in runs] == [[], []]


def servers_of(run: subprocess.Popen[str]) -> list[psutil.Process]:
    """The servers that a run of pytest has started and that still run."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(
            "alembic-live-" in part and f"-{run.pid}-" in part
            for part in process.info["cmdline"] or []
        )
    ]
