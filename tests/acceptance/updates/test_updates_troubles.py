"""What stands in an update's way is said in a sentence, and nothing has changed by then."""

import shutil
from pathlib import Path

import pytest
from project import run, said
from releases import OLDEST, Releases, Updatable


@pytest.fixture
def project(releases: Releases, tmp_path: Path) -> Updatable:
    """A project of the oldest release."""
    return releases.made(OLDEST).copy(tmp_path / "my-service")


def test_no_way_leads_back_to_an_earlier_release(releases: Releases, tmp_path: Path) -> None:
    project = releases.made().copy(tmp_path / "my-service")
    done = project.update(OLDEST, ok=False)
    assert done.returncode != 0
    assert "Downgrades are not supported." in said(done)
    assert project.git("status", "--porcelain") == ""


def test_work_that_is_not_committed_is_left_alone(project: Updatable) -> None:
    (project.path / "idea.txt").write_text("mine\n")
    done = project.update(ok=False)
    assert done.returncode != 0
    assert "Please commit or stash your local changes and retry." in said(done)
    assert project.git("status", "--porcelain") == "?? idea.txt\n"


def test_a_project_outside_of_git_is_left_alone(project: Updatable) -> None:
    before = project.files()
    shutil.move(project.path / ".git", project.path.parent / "git")
    done = project.update(ok=False)
    assert done.returncode != 0
    assert "only supported in git-tracked subprojects" in said(done)
    shutil.move(project.path.parent / "git", project.path / ".git")
    assert project.files() == before


def test_a_shallow_clone_of_a_project_is_updated(
    releases: Releases, project: Updatable, tmp_path: Path
) -> None:
    (project.path / "idea.txt").write_text("mine\n")
    project.commit()
    address = f"file://{project.path}"
    run("git", "clone", "--quiet", "--depth=1", address, tmp_path / "shallow", cwd=tmp_path)
    shallow = Updatable(tmp_path / "shallow", project.package)
    shallow.update()
    assert shallow.conflicts() == {}
    assert shallow.files().keys() - {"idea.txt"} == releases.made().files().keys()


def test_a_template_that_has_moved_is_named_anew_in_the_answers(
    releases: Releases, tmp_path: Path
) -> None:
    fork = releases.fork(tmp_path)
    project = fork.made(OLDEST)
    moved = shutil.move(fork.repository, tmp_path / "moved")
    done = project.update(ok=False)
    assert done.returncode != 0
    assert "git-tracked templates" in said(done)
    answers = project.path / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(fork.repository), str(moved)))
    project.commit()
    project.update()
    assert project.files() | {".copier-answers.yml": b""} == releases.made().files() | {
        ".copier-answers.yml": b""
    }
