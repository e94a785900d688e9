"""Folders that every account can write to: somebody else may lay a link or a folder there first."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import prefork
import psutil
import pytest
from dotenv import dotenv_values
from project import Project, clean_environment, said, wait_until
from sample import write_sample
from server import Database

AS_ROOT = os.geteuid() == 0
SERVER_UID = pwd.getpwnam("nobody").pw_uid if AS_ROOT else os.geteuid()

# Has a temporary server until its input ends.
COMMAND = """
from alembic_live.postgres.local import throwaway
with throwaway.throwaway_server():
    name = f"alembic-live-*-{throwaway.os.getpid()}-*"
    [folder] = [each for each in throwaway.temporary_base().glob(name) if each.is_dir()]
    print(folder, flush=True)
    input()
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A new project; what it starts is stopped."""
    project = write_sample(tmp_path / "my-service")
    yield project
    project.db("stop", ok=False)
    shutil.rmtree((project.path / ".postgres").resolve(), ignore_errors=True)


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Path]:
    """A file of the developer's that somebody wants to have overwritten."""
    mine = tmp_path / "authorized_keys"
    mine.write_text("mine")
    yield mine
    assert mine.read_text() == "mine"
    assert mine.stat().st_uid == os.geteuid()


@dataclass(frozen=True)
class Command:
    """A process with a temporary server."""

    process: subprocess.Popen[str]
    folder: Path  # of its server

    def end(self) -> None:
        """Let it end by itself."""
        _, errors = self.process.communicate("\n", timeout=60)
        assert self.process.returncode == 0, errors

    def kill(self) -> None:
        """Leave its server behind."""
        self.process.kill()
        self.process.wait()


@contextmanager
def command(**environment: str) -> Iterator[Command]:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment() | environment,
    )
    assert process.stdout
    assert process.stderr
    try:
        folder = process.stdout.readline().strip() or pytest.fail(process.stderr.read())
        yield Command(process, Path(folder))
    finally:
        process.kill()
        process.communicate()


def postmaster_of(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))


def runs(process: psutil.Process) -> bool:
    """Whether a process runs; one that has ended may wait for its parent to ask how."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def assert_is_ours(folder: Path) -> None:
    """Nobody else can put anything into a folder, and only the server's account can enter it."""
    status = folder.lstat()
    assert stat.S_ISDIR(status.st_mode)
    assert status.st_uid == os.geteuid()
    assert stat.S_IMODE(status.st_mode) == (0o710 if AS_ROOT else 0o700)
    assert (folder / "data").stat().st_uid == SERVER_UID


def test_the_folder_of_a_temporary_server_cannot_be_laid_first() -> None:
    with command() as one, command() as other:
        assert_is_ours(one.folder)
        assert_is_ours(other.folder)
        assert one.folder.name.rpartition("-")[2] != other.folder.name.rpartition("-")[2]
        one.end()
        other.end()
    assert not one.folder.exists()
    assert not other.folder.exists()


def test_a_running_command_keeps_its_temporary_server() -> None:
    with command() as one:
        server = postmaster_of(one.folder)
        with command() as other:
            other.end()
        assert runs(server)
        one.end()
    assert not runs(server)


@pytest.mark.parametrize("killed", ["command", "command and server"])
def test_what_a_killed_command_left_behind_is_removed_by_the_next(killed: str) -> None:
    with command() as one:
        server = postmaster_of(one.folder)
        one.kill()
    if killed == "command and server":
        processes = [server, *server.children(recursive=True)]
        server.kill()
        psutil.wait_procs(processes, timeout=30)
    with command() as other:  # or any other test that needs one meanwhile
        assert not one.folder.exists()
        wait_until(lambda: not runs(server))
        other.end()


def test_a_leftover_that_is_somebody_else_s_by_now_is_left_alone() -> None:
    if not AS_ROOT:
        pytest.skip("only root can give a folder away")
    with command() as one:
        one.end()
    theirs = one.folder
    theirs.mkdir()
    try:
        (theirs / "kept").write_text("")
        os.chown(theirs, 1, 1)
        with command() as other:
            assert other.folder != theirs
            other.end()
        assert (theirs / "kept").exists()
    finally:
        shutil.rmtree(theirs)


def test_a_lock_file_with_a_second_name_is_not_used(project: Project, mine: Path) -> None:
    path = project.path / ".postgres.lock"
    path.hardlink_to(mine)
    done = project.db("start", ok=False)
    assert done.returncode == 1
    assert (
        f"{path} cannot be used: it is not an ordinary file, or it has a second hard link"
        in done.stderr
    )


@pytest.mark.parametrize("command", ["start", "stop"])
def test_the_lock_of_the_local_server_is_no_link(
    project: Project, tmp_path: Path, command: str
) -> None:
    target = tmp_path / "made through a link"
    (project.path / ".postgres.lock").symlink_to(target)
    done = project.db(command, ok=False)
    assert done.returncode == 1
    assert ".postgres.lock is a link, and links are not followed" in done.stderr
    assert not target.exists()


@pytest.mark.parametrize("command", ["start", "stop"])
def test_a_folder_of_somebody_else_is_not_used(
    project: Project, tmp_path: Path, mine: Path, command: str
) -> None:
    theirs, owner = Path("/usr"), "root"
    if AS_ROOT:
        theirs, owner = tmp_path / "theirs", pwd.getpwuid(1).pw_name
        theirs.mkdir(mode=0o777)
        (theirs / "admin-password").symlink_to(mine)
        os.chown(theirs, 1, 1)
    (project.path / ".postgres").symlink_to(theirs)
    before = theirs.stat()
    done = project.db(command, ok=False)
    assert done.returncode == 1
    assert f"{theirs} belongs to {owner}, so it cannot be used. Run the command as" in done.stderr
    after = theirs.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (
        before.st_uid,
        before.st_gid,
        before.st_mode,
    )
    assert not (project.path / ".env").exists()


def test_a_folder_with_other_things_in_it_keeps_its_owner(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    (other / "kept").write_text("")
    (project.path / ".postgres").symlink_to(other)
    before = other.stat()
    done = project.db("start", ok=not AS_ROOT)
    if AS_ROOT:  # whose server would have to be let in
        assert f"{other} cannot be used: it contains kept" in done.stderr
        after = other.stat()
        assert (after.st_uid, after.st_gid, after.st_mode) == (0, before.st_gid, before.st_mode)
    assert (other / "kept").exists()


def test_root_s_server_lies_where_only_root_can_write(project: Project) -> None:
    if not AS_ROOT:
        pytest.skip("any other account has its server in the project's folder")
    project.db("start")
    folder = (project.path / ".postgres").resolve()
    server = postmaster_of(folder)
    assert server.username() == "nobody"
    assert_is_ours(folder)
    for path in (*folder.parents, *Path(server.exe()).parents):
        status = path.stat()
        assert status.st_uid == 0
        others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        # In a folder such as /tmp, nobody replaces what is somebody else's.
        assert not others or status.st_mode & stat.S_ISVTX, f"others can write to {path}"


def test_root_s_server_of_release_1_0_0_goes_on(project: Project) -> None:
    if not AS_ROOT:
        pytest.skip("any other account was the owner of the folder in 1.0.0, too")
    project.db("start")
    database = Database.of(dotenv_values(project.path / ".env"))
    database.query("CREATE TABLE kept AS SELECT 42 AS answer")
    project.db("stop")
    folder = (project.path / ".postgres").resolve()
    os.chown(folder, SERVER_UID, -1)
    folder.chmod(0o700)
    assert "was not running" in project.db("stop").stderr
    project.db("start")
    assert database.value("SELECT answer FROM kept") == 42
    assert_is_ours(folder)


def test_a_start_that_was_cut_off_before_the_server_may_enter_is_repeated(
    project: Project,
) -> None:
    (project.path / ".postgres").mkdir(mode=0o700)
    (project.path / ".postgres" / "data.new").mkdir()
    if AS_ROOT:  # the server cannot enter the folders of the tests
        shutil.rmtree(project.path / ".postgres")
        folder = Path("/var/lib") / f"postgres-{project.path.parent.name}"
        folder.mkdir(mode=0o700)
        (project.path / ".postgres").symlink_to(folder)
    project.db("start")
    assert_is_ours((project.path / ".postgres").resolve())


def test_a_diagram_is_not_written_through_a_link(project: Project, mine: Path) -> None:
    (mine.parent / ".history.mmd.new").symlink_to(mine)
    output = mine.with_name("history.mmd")
    project.db("graph", "--history", "--output", str(output))
    assert output.read_text().startswith("flowchart")
    assert not output.is_symlink()


def test_the_tests_own_socket_is_in_a_private_folder(project: Project) -> None:
    python = project.forking_python()
    assert python
    socket = Path(prefork._server(python))
    assert socket.is_socket()
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_a_lock_of_another_account_is_a_sentence(project: Project) -> None:
    if not AS_ROOT:
        pytest.skip("only root can give a file away")
    path = project.path / ".postgres.lock"
    path.touch()
    os.chown(path, 1, 1)
    done = project.db("start", ok=False)
    assert f"{path} belongs to {pwd.getpwuid(1).pw_name}, so it cannot be used" in said(done)
