"""A removal that is killed, or not alone: the history is whole, and the next one finishes."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from edit import edit
from project import Project, commit, wait_until
from removals import TABLES, files, history, parents, prepared, rev
from revisions import DOWN, UP, current, git, head, id_of, revision
from sample import NewProject
from server import Database


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    """One with three revisions on a branch, none of them applied."""
    return prepared(new_project())


def test_a_process_that_migrates_meanwhile_is_waited_for(
    project: Project, database: Database
) -> None:
    path = revision(project, "c")
    edit(path, UP, f'{UP}    op.execute("SELECT pg_sleep(3)")\n')
    commit(project.path)
    before = files(project)
    migrating = project.begin("alembic", "upgrade", "head")
    wait_until(lambda: database.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
    removing = project.begin("db", "remove", rev(project, "c"))
    text, _ = removing.communicate(timeout=60)
    migrating.communicate(timeout=60)
    assert "Waiting for another process that migrates: pid" in text
    assert removing.returncode == 1
    assert "Another process has applied the revision in the meantime" in text
    assert files(project) == before
    assert current(project) == rev(project, "c")


@pytest.mark.parametrize("runs", [3, pytest.param(40, marks=pytest.mark.full)])
def test_a_killed_removal_leaves_what_the_next_one_finishes(
    project: Project, database: Database, runs: int
) -> None:
    b, c = rev(project, "b"), rev(project, "c")
    path = revision(project, "b")
    edit(path, DOWN, f'{DOWN}    op.execute("SELECT pg_sleep(.2)")\n')
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
