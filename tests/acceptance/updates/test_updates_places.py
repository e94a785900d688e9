"""A package that the team has renamed, files that it has moved, answers in another place: an update
says what it would miss, and what to do.
"""

from pathlib import Path

import pytest
from edit import edit
from project import run, said
from releases import RELEASES, WITHOUT_LIBRARY, WORKING_TREE, Releases, Updatable, copier

NEWEST = [*RELEASES][-1]
ENGINE = "src/my_service/database/engine.py"
MOVED = "src/my_service/connections/engine.py"
SKIPS = "These files of the template are not where it has them"
MISSES = "The update has missed your package"


@pytest.fixture
def project(releases: Releases, tmp_path: Path) -> Updatable:
    """A project of the newest release."""
    return releases.made(NEWEST).copy(tmp_path / "my-service")


@pytest.fixture
def old(releases: Releases, tmp_path: Path) -> Updatable:
    """A project of a release before files moved."""
    return releases.made(WITHOUT_LIBRARY).copy(tmp_path / "my-service")


def rename(project: Updatable) -> None:
    """Call the package `orders`, as a team does."""
    project.git("mv", "src/my_service", "src/orders")
    project.write("src/my_service/__pycache__/config.cpython-311.pyc", "")  # Python left it there
    for path, content in project.files().items():
        if not path.startswith(("packages/", ".copier-answers")) and b"my_service" in content:
            (project.path / path).write_bytes(content.replace(b"my_service", b"orders"))
    for test in (project.path / "tests").glob("*.py"):
        test.write_text(test.read_text().replace("my_service", "orders"))
    project.commit()


def name_in_answers(project: Updatable) -> None:
    """Write the names of the package and the database of today into the answers."""
    answers = project.path / ".copier-answers.yml"
    edit(answers, "my_service", "orders", times=2)
    project.commit()


@pytest.mark.full
def test_an_update_says_that_it_missed_a_renamed_package_and_one_that_knows_the_name_does_not(
    releases: Releases, project: Updatable
) -> None:
    rename(project)
    done = project.update()
    assert f"{MISSES}: .copier-answers.yml says that it is src/my_service," in done.stderr
    assert "    package_name: orders\n" in done.stderr

    [undo] = [line for line in done.stderr.splitlines() if line.startswith("    git restore")]
    run("sh", "-c", undo.replace("--interactive", "--force"), cwd=project.path)
    assert project.git("status", "--porcelain") == ""
    name_in_answers(project)
    done = project.update()
    assert MISSES not in done.stderr
    assert SKIPS not in done.stderr
    assert project.conflicts() == {}
    now = releases.made(package_name="orders", database_name="orders")
    assert project.files() == now.files()


@pytest.mark.full
def test_an_update_that_moves_files_refuses_before_it_misses_a_renamed_package(
    releases: Releases, old: Updatable
) -> None:
    rename(old)
    done = old.update(ok=False)
    assert done.returncode != 0
    assert ".copier-answers.yml says that the package is src/my_service, which" in said(done)
    assert "    package_name: orders\n" in said(done)
    assert old.git("status", "--porcelain") == ""

    name_in_answers(old)
    assert MISSES not in old.update().stderr
    assert old.conflicts() == {}
    now = releases.made(package_name="orders", database_name="orders")
    assert old.files() == now.files()


@pytest.mark.full
def test_a_moved_file_is_named_before_the_update(releases: Releases, project: Updatable) -> None:
    def move(old: str, new: str) -> None:
        (project.path / new).parent.mkdir(exist_ok=True)
        project.git("mv", old, new)
        project.commit()

    move(ENGINE, MOVED)
    before, _, after = project.update().stderr.partition("Updating to template version")
    assert SKIPS in before
    assert "    src/<package>/database/engine.py\n" in before
    assert MISSES not in after

    project.undo()
    move(MOVED, ENGINE)
    assert SKIPS not in project.update().stderr
    assert project.files()[ENGINE] == releases.made().files()[ENGINE]


@pytest.mark.full
def test_an_untouched_project_is_whole_in_a_folder_of_any_name(
    releases: Releases, tmp_path: Path
) -> None:
    project = releases.made(NEWEST).copy(tmp_path / "[my] *service?")
    done = copier("update", "--defaults", project.path.name, cwd=tmp_path)
    assert SKIPS not in done.stderr
    assert MISSES not in done.stderr


@pytest.mark.full
def test_answers_may_be_in_another_file(releases: Releases, old: Updatable) -> None:
    (old.path / ".config").mkdir()
    old.git("mv", ".copier-answers.yml", ".config/template.yml")
    old.commit()
    assert "Cannot update" in said(old.update(ok=False))
    old.update(WORKING_TREE, "--answers-file", ".config/template.yml")
    assert old.conflicts() == {}
    assert not (old.path / ".copier-answers.yml").exists()
    files = old.files()
    now = releases.made().files()
    assert files.keys() ^ now.keys() == {".copier-answers.yml", ".config/template.yml"}
    different = {path for path in files.keys() & now.keys() if files[path] != now[path]}
    assert different == {".github/workflows/template.yml"}
    workflow = files[".github/workflows/template.yml"]
    assert b"answers=.config/template.yml\n" in workflow
    assert b".copier-answers" not in workflow


def test_a_relative_path_of_the_template_is_said_with_the_whole_one(
    releases: Releases, tmp_path: Path
) -> None:
    template = releases.fork(tmp_path).repository
    project = tmp_path / "my-service"
    copy = ("copy", "--defaults", "--overwrite", f"--vcs-ref=v{WORKING_TREE}")
    for source, cwd in ((".", template), ("template", tmp_path)):
        assert f"    _src_path: {template}\n" in copier(*copy, source, project, cwd=cwd).stderr
    assert "_src_path" not in copier(*copy, template, project, cwd=tmp_path).stderr


@pytest.mark.full
def test_a_copy_without_a_version_is_said(releases: Releases, tmp_path: Path) -> None:
    template = releases.fork(tmp_path).repository
    not_owned = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    copy = ("copy", "--defaults", template, tmp_path / "my-service")
    done = copier(*copy, cwd=tmp_path, environment=not_owned)
    assert "No update is possible, because this copy has no version." in done.stderr
    assert f"git -C {template} status" in done.stderr


@pytest.mark.full
def test_a_folder_may_begin_with_a_hyphen(releases: Releases, tmp_path: Path) -> None:
    done = copier("copy", "--defaults", releases.repository, "--", "-service", cwd=tmp_path)
    [step] = [line.strip() for line in done.stderr.splitlines() if line.startswith("    cd ")]
    run("sh", "-c", f"{step} && test -f alembic.ini", cwd=tmp_path)
