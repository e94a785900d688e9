"""`db start`, `db stop` and `db status`: a server of the project's own that keeps its data."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from edit import edit
from local_server import database_of, server_of
from project import Project, clean_environment, run, said
from sample import write_sample


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A new project without settings or a server; what it starts is stopped."""
    project = write_sample(tmp_path / "my-service")
    yield project
    project.db("stop")
    shutil.rmtree((project.path / ".postgres").resolve(), ignore_errors=True)


def test_it_starts_from_nothing_and_says_what_it_did(project: Project) -> None:
    done = project.db("start")
    assert done.stdout == ""
    database = database_of(project)
    assert f'database "my_service" on 127.0.0.1:{database.port}' in done.stderr
    assert "Added DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME to .env" in done.stderr
    assert 'Created role "postgres", a superuser' in done.stderr
    assert 'Created database "my_service"' in done.stderr
    assert database.password not in said(done)
    assert len(database.password) >= 32
    assert (project.path / ".env").stat().st_mode & 0o777 == 0o600
    assert database.value("SELECT current_database()") == "my_service"
    listening = [c.laddr.ip for c in server_of(project).net_connections() if c.status == "LISTEN"]
    assert listening == ["127.0.0.1"]


def test_git_ignores_the_data_without_a_line_in_gitignore(project: Project) -> None:
    project.db("start")
    folder = (project.path / ".postgres").resolve()  # the project of a test links to it
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    assert run("git", "ls-files", cwd=folder).stdout == ""


def test_starting_twice_is_harmless(project: Project) -> None:
    project.db("start")
    settings, server = (project.path / ".env").read_text(), server_of(project).pid
    done = project.db("start")
    assert "was already running" in done.stderr
    assert (project.path / ".env").read_text() == settings
    assert server_of(project).pid == server


def test_what_it_makes_for_other_settings_is_said(project: Project) -> None:
    project.db("start")
    other = project.given(DB_USER="somebody", DB_NAME="elsewhere", DB_PASSWORD="new")
    done = other.db("start")
    assert 'Created role "somebody", a superuser' in done.stderr
    assert 'Created database "elsewhere"' in done.stderr
    assert "Created" not in other.db("start").stderr
    changed = other.given(DB_PASSWORD="newer").db("start")
    assert 'Set the password of role "somebody" to DB_PASSWORD' in changed.stderr
    assert "newer" not in said(changed)


def test_two_starts_at_once_make_one_server(project: Project) -> None:
    both = [project.begin("db", "start") for _ in range(2)]
    messages = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], messages
    assert sorted("was already running" in message for message in messages) == [False, True]
    assert (project.path / ".env").read_text().count("DB_PORT") == 1
    assert database_of(project).value("SELECT 1") == 1


def test_it_stops_while_a_setting_is_wrong(project: Project) -> None:
    project.db("start")
    done = project.given(DB_PORT="abc").db("stop")
    assert done.stderr == "Postgres is stopped.\n"
    assert not (project.path / ".postgres" / "data" / "postmaster.pid").exists()


def test_data_outlive_a_stop(project: Project) -> None:
    project.db("start")
    database = database_of(project)
    database.query("CREATE TABLE kept AS SELECT 42 AS answer")
    assert "Postgres is stopped" in project.db("stop").stderr
    with socket.socket() as probe:
        assert probe.connect_ex((database.host, database.port)) != 0
    assert "was not running" in project.db("stop").stderr
    project.db("start")
    assert database_of(project) == database
    assert database.value("SELECT answer FROM kept") == 42


def test_data_outlive_a_killed_server(project: Project) -> None:
    project.db("start")
    database = database_of(project)
    database.query("CREATE TABLE kept AS SELECT 42 AS answer")
    server_of(project).kill()
    project.db("start")
    assert database.value("SELECT answer FROM kept") == 42


@pytest.mark.parametrize("program", ["another's", "postgres's namesake"])
def test_a_process_id_that_is_used_again_is_nobody_s_server(
    project: Project, program: str, tmp_path: Path
) -> None:
    project.db("start")
    server = server_of(project)
    children = server.children(recursive=True)
    server.kill()
    psutil.wait_procs([server, *children], timeout=30)
    sleeper = Path(sys.executable)
    if program != "another's":
        sleeper = tmp_path / "postgres"
        sleeper.symlink_to(Path(sys.executable).resolve())
    other = subprocess.Popen([sleeper, "-c", "import time; time.sleep(600)"])
    try:
        pid_file = project.path / ".postgres" / "data" / "postmaster.pid"
        stale = pid_file.read_text().split("\n", 1)[1]
        pid_file.write_text(f"{other.pid}\n{stale}")
        assert "was not running" in project.db("stop").stderr
        assert other.poll() is None
        assert "Postgres is running: " in project.db("start").stderr
        assert database_of(project).value("SELECT 1") == 1
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_start_that_was_killed_midway_can_be_repeated(project: Project) -> None:
    for moment in (0.8, 1.2, 1.6, 2.0):
        start = subprocess.Popen(
            [project.program("db"), "start"],
            cwd=project.path,
            env=clean_environment() | project.environ(),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(moment)
        os.killpg(start.pid, signal.SIGKILL)
        start.wait()
    project.db("start")
    assert database_of(project).value("SELECT 1") == 1


def test_settings_that_are_there_already_are_kept_and_used(project: Project) -> None:
    written = "# mine\nSECRET_KEY=x\nDB_USER='o\\'brien'\nDB_NAME='my %data'"
    (project.path / ".env").write_text(written)
    done = project.db("start")
    assert "Added DB_HOST, DB_PORT, DB_PASSWORD to .env" in done.stderr
    assert (project.path / ".env").read_text().startswith(written + "\n")
    database = database_of(project)
    assert database.name == "my %data"
    assert database.value("SELECT current_user") == database.user


def test_another_password_in_the_settings_becomes_the_role_s(project: Project) -> None:
    project.db("start")
    settings = project.path / ".env"
    before = database_of(project)
    edit(settings, before.password, "another")
    project.db("start")
    after = database_of(project)
    assert after.password == "another"
    assert after.value("SELECT 1") == 1


def test_a_port_that_is_taken_is_named(project: Project) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = project.given(DB_PORT=str(port)).db("start", ok=False)
    assert done.returncode == 1
    assert f"Another program listens on 127.0.0.1, port {port}" in done.stderr
    assert not (project.path / ".env").exists()


def test_a_server_elsewhere_is_not_ours_to_start(project: Project) -> None:
    done = project.given(DB_HOST="db.example.com").db("start", ok=False)
    assert done.returncode == 1
    assert "DB_HOST is db.example.com" in done.stderr
    assert "Nothing was started" in done.stderr
    assert not (project.path / ".env").exists()


def test_data_of_another_major_version_are_named(project: Project) -> None:
    project.db("start")
    project.db("stop")
    version = (project.path / ".postgres/data/PG_VERSION").resolve()
    version.write_text("9\n")
    done = project.db("start", ok=False)
    assert done.returncode == 1
    assert "Postgres 9 created the data" in done.stderr


def test_status_shows_the_server_and_the_revision(project: Project) -> None:
    down = project.db("status", ok=False)
    assert down.returncode == 1
    assert "DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME are not set" in down.stderr
    project.db("start")
    database = database_of(project)
    [where, server, revision] = project.db("status").stdout.splitlines()
    assert where == (
        f'database  database "my_service" on 127.0.0.1:{database.port} as "{database.user}"'
    )
    assert server == f"server    PostgreSQL {database.value('SHOW server_version')}"
    assert revision == "revision  none; the head is 5f0e1c2d3a4b"
    project.alembic("upgrade", "head")
    assert "revision  5f0e1c2d3a4b (head)" in project.db("status").stdout
    project.db("stop")
    down = project.db("status", ok=False)
    assert down.returncode == 1
    assert "Connection refused" in down.stderr


def test_it_is_alembic_s_own_command_line(project: Project) -> None:
    helped = project.db("--help").stdout
    for command in ("upgrade", "revision", "start", "stop", "status"):
        assert command in helped
    project.db("start")
    project.db("upgrade", "head", cwd=project.models)
    assert project.db("current", cwd=project.models).stdout.strip() == "5f0e1c2d3a4b (head)"
    wrong = project.db("upgrade", "nowhere", ok=False)
    assert wrong.returncode == 1
    assert "Can't locate revision" in wrong.stderr
    assert wrong.stdout == ""
    assert project.db("nonsense", ok=False).returncode == 2
