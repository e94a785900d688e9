"""What stands in an update's way is said in a sentence, and nothing has changed by then. Where Copier's
words name no cause, docs/how-to/update.md has them with the cause.
"""

import os
import re
import shutil
from pathlib import Path

import pytest
from edit import edit
from project import ROOT, run, said
from releases import OLDEST, RELEASES, WORKING_TREE, Releases, Updatable, copier

NEWEST = [*RELEASES][-1]
PAGE = (ROOT / "docs" / "how-to" / "update.md").read_text()


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


@pytest.mark.full
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


def causes(words: str) -> str:
    """What the page says about words of Copier's: their rows of the table."""
    rows = re.search(rf"^\| [^|]*{re.escape(words)}.*\n(?:\| \|.*\n)*", PAGE, re.MULTILINE)
    assert rows, f"the page does not have {words!r}"
    return rows[0]


def refused(project: Updatable, words: str, cause: str, *options: str | Path) -> None:
    """An update that Copier refuses in these words, whose rows in the page name the cause."""
    assert cause in causes(words)
    command = ("update", "--defaults", *options)
    done = copier(*command, cwd=project.path, ok=False, traceback=True)
    assert done.returncode != 0
    assert words in said(done)


def give_away(repository: Path) -> str:
    """Give a repository to another user, and tell what git then says of it."""
    if os.geteuid() != 0:
        pytest.skip("Only root can give a folder away")
    for path in (repository, repository / ".git"):
        os.chown(path, 65534, 65534)
    return said(run("git", "status", cwd=repository, ok=False))


def answer(project: Updatable, old: str, new: str) -> None:
    """Edit the answers, and commit."""
    edit(project.path / ".copier-answers.yml", old, new)
    project.commit()


@pytest.mark.full
def test_each_way_to_name_no_version_has_its_cause(releases: Releases, tmp_path: Path) -> None:
    words, version = "Unknown revision", f"_commit: v{NEWEST}\n"
    project = releases.made(NEWEST).copy(tmp_path / "my-service")
    refused(project, words, "`--vcs-ref` does not exist", "--vcs-ref=v7.7.7")
    answer(project, version, f"_commit: v{NEWEST}-3-g0123456\n")
    refused(project, words, "uncommitted work")
    answer(project, f"_commit: v{NEWEST}-3-g0123456\n", version)

    source, clones = f"_src_path: {releases.repository}\n", {}
    for name, option in (("shallow", "--depth=1"), ("without-tags", "--no-tags")):
        clones[name] = f"_src_path: {tmp_path / name}\n"
        address = f"file://{releases.repository}"
        run("git", "clone", "--quiet", option, address, tmp_path / name, cwd=tmp_path)
        answer(project, source, clones[name])
        refused(project, words, "a shallow clone, or one without tags")
        source = clones[name]
    answer(project, source, "_src_path: .\n")
    refused(project, words, "Copier takes the project itself for the template")

    run("git", "fetch", "--quiet", "--tags", "--unshallow", cwd=tmp_path / "shallow")
    answer(project, "_src_path: .\n", clones["shallow"])
    project.update()


@pytest.mark.full
def test_each_way_to_have_no_template_has_its_cause(releases: Releases, tmp_path: Path) -> None:
    words = "Updating is only supported in git-tracked templates"
    project = releases.made(NEWEST).copy(tmp_path / "my-service")
    answer(project, f"_src_path: {releases.repository}\n", "_src_path: ../template\n")
    refused(project, "Local template must be a directory", "`_src_path` is a relative path")

    template = releases.fork(tmp_path).repository
    answer(project, "_src_path: ../template\n", f"_src_path: {template}\n")
    assert "dubious ownership" in give_away(template)
    refused(project, words, '`git -C <path> status` says "dubious ownership"')


@pytest.mark.full
def test_a_project_by_another_way_has_its_cause(releases: Releases, tmp_path: Path) -> None:
    project = releases.made(NEWEST).copy(tmp_path / "my-service")
    (tmp_path / "link").symlink_to(project.path)
    cause = "the path that you named has `..` or is a symbolic link"
    refused(project, "is not in the subpath of", cause, tmp_path / "link")
    refused(project, "is outside repository at", cause, "../my-service")


@pytest.mark.full
def test_a_project_of_another_user_has_its_cause(releases: Releases, tmp_path: Path) -> None:
    project = releases.made(NEWEST).copy(tmp_path / "my-service")
    assert "dubious ownership" in give_away(project.path)
    words = "Updating is only supported in git-tracked subprojects"
    refused(project, words, '`git status` says "dubious ownership"')


@pytest.mark.full
def test_each_way_to_have_no_answers_has_its_cause(releases: Releases, tmp_path: Path) -> None:
    words = "Template not found"
    project = releases.made(NEWEST).copy(tmp_path / "my-service")
    answer(project, f"_commit: v{NEWEST}\n", "")
    refused(project, "annot obtain old template references", "it has no `_commit`")
    answer(project, "_src_path:", f"_commit: v{NEWEST}\n_src_path:")
    project.update()
    project.undo()

    project.git("mv", ".copier-answers.yml", "answers.yml")
    project.commit()
    refused(project, words, "it has another name or place")
    project.update(WORKING_TREE, "--answers-file", "answers.yml")
    project.undo()

    below = Updatable(project.path / "src", project.package)
    refused(below, words, "no answers file in this folder")


@pytest.mark.full
def test_what_was_changed_by_hand_is_written_into_the_answers(
    releases: Releases, tmp_path: Path
) -> None:
    project = releases.made(OLDEST).copy(tmp_path / "my-service")
    for path in ("pyproject.toml", "Dockerfile", ".github/workflows/ci.yml"):
        text = project.read(path)
        project.write(path, text.replace("3.11", "3.13").replace("py311", "py313"))
    project.commit()
    answer(project, "python_version: '3.11'", "python_version: '3.13'")
    project.update()
    assert project.conflicts() == {}
