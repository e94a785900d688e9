"""The rendered workflow that looks once a week for a newer version of the template, run step by step
as GitHub does.
"""

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import Finished, run, said
from releases import Releases, Updatable, copier

LATER = "999.1.0"
ANSWERS = ".copier-answers.yml"

# GitHub's program. It notes what it was asked to do, and keeps the pull request in a file.
GH = """\
#!/bin/sh
echo "$*" >> "$RUNNER_TEMP/gh"
case "$1 $2" in
  "pr list") [ ! -f "$RUNNER_TEMP/pull" ] || cat "$RUNNER_TEMP/pull" ;;
  "pr create") echo https://github.test/pull/1 > "$RUNNER_TEMP/pull" ;;
esac
"""
PUSH = "Push the branch and open the pull request"


@dataclass
class Weekly:
    """The workflow, its project, and a repository that it pushes to."""

    project: Updatable
    origin: Path
    folder: Path
    job: dict[str, Any]

    def step(self, name: str, *, ok: bool = True) -> Finished:
        """Run a step by its id or name, and keep what it says to later ones."""
        [script] = [
            step["run"] for step in self.job["steps"] if name in (step.get("id"), step.get("name"))
        ]
        return run(
            "bash", "-e", "-c", script,
            cwd=self.project.path,
            ok=ok,
            environment={
                "BRANCH": self.output("update").strip().removeprefix("branch="),
                "GITHUB_OUTPUT": str(self.folder / name),
                "RUNNER_TEMP": str(self.folder),
                "COPIER_CACHE_DIR": str(self.folder / "cache"),
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            },
        )  # fmt: skip

    def output(self, name: str) -> str:
        """What a step says to later ones, and what gh was asked to do."""
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def branches(self) -> list[str]:
        """The branches that were pushed."""
        return run("git", "branch", "--format=%(refname:short)", cwd=self.origin).stdout.split()


@pytest.fixture
def fork(releases: Releases, tmp_path: Path) -> Releases:
    """A template that will have a later release."""
    return releases.fork(tmp_path / "releases")


def weekly(fork: Releases, project: Updatable, folder: Path, answers_file: str = ANSWERS) -> Weekly:
    """The workflow in a project that was copied from an address, and pushed to another."""
    answers = project.path / answers_file
    address = f"git+file://{fork.repository}"
    answers.write_text(answers.read_text().replace(str(fork.repository), address))
    project.commit()
    origin = folder / "origin.git"
    run("git", "clone", "--quiet", "--bare", project.path, origin, cwd=folder)
    project.git("remote", "add", "origin", str(origin))
    gh = folder / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(GH)
    gh.chmod(0o755)
    text = project.read(".github/workflows/template.yml")
    return Weekly(project, origin, folder, yaml.safe_load(text)["jobs"]["update"])


def release_later(fork: Releases, zone: str = "Asia/Tokyo") -> None:
    """A later release, which changes a line of alembic.ini."""
    path = fork.repository / "template" / "alembic.ini.jinja"
    path.write_text(path.read_text().replace("timezone = UTC", f"timezone = {zone}"))
    fork.release(LATER)


def test_the_newest_version_is_left_alone(fork: Releases, tmp_path: Path) -> None:
    job = weekly(fork, fork.made(), tmp_path)
    assert "newest version" in said(job.step("look"))
    assert job.output("look") == ""


def test_a_newer_version_is_pushed_on_a_branch_of_its_own_once(
    fork: Releases, tmp_path: Path
) -> None:
    job = weekly(fork, fork.made(), tmp_path)
    release_later(fork)
    job.step("look")
    assert job.output("look") == "newer=yes\n"
    job.step("update")
    branch = f"template-v{LATER}"
    assert job.output("update") == f"branch={branch}\n"
    assert job.branches() == ["main"]
    job.step(PUSH)
    assert job.branches() == ["main", branch]
    assert f"pr create --head {branch} " in job.output("gh")
    pushed = run("git", "diff", "--name-only", f"main...{branch}", cwd=job.origin).stdout.split()
    assert pushed == [".copier-answers.yml", "alembic.ini"]
    assert "Settle" not in (tmp_path / "body.md").read_text()

    # The next week it begins with a new checkout.
    tip = run("git", "rev-parse", branch, cwd=job.origin).stdout
    job.project.git("switch", "main")
    job.project.git("branch", "-D", branch)
    (tmp_path / "update").unlink()
    job.step("update")
    assert "has a pull request already" in said(job.step(PUSH))
    assert job.output("gh").count("pr create") == 1
    assert run("git", "rev-parse", branch, cwd=job.origin).stdout == tip

    # The branch was pushed, but the pull request could not be opened.
    (tmp_path / "pull").unlink()
    job.step(PUSH)
    assert job.output("gh").count("pr create") == 2
    assert run("git", "rev-parse", branch, cwd=job.origin).stdout == tip


@pytest.mark.full
def test_the_pull_request_names_conflicts(fork: Releases, tmp_path: Path) -> None:
    project = fork.made()
    ini = project.path / "alembic.ini"
    ini.write_text(ini.read_text().replace("timezone = UTC", "timezone = Europe/Berlin"))
    job = weekly(fork, project, tmp_path)
    release_later(fork)
    job.step("update")
    assert (tmp_path / "body.md").read_text().endswith("first:\n- alembic.ini\n")


@pytest.mark.full
def test_where_files_move_a_person_is_asked(fork: Releases, tmp_path: Path) -> None:
    configuration = fork.repository / "copier.yml"
    version = f'version: "{LATER}"'
    configuration.write_text(re.sub(r'version: "[\d.]+"', version, configuration.read_text()))
    job = weekly(fork, fork.made(), tmp_path)
    release_later(fork)
    done = job.step("update", ok=False)
    assert done.returncode != 0
    assert "uvx copier update --trust" in said(done)
    assert job.branches() == ["main"]
    assert job.project.git("status", "--porcelain") == ""


def test_a_folder_of_one_machine_is_no_address(fork: Releases, tmp_path: Path) -> None:
    job = weekly(fork, fork.made(), tmp_path)
    answers = job.project.path / ANSWERS
    text = answers.read_text()
    for source in (f"{fork.repository}", "../template", "template", "~/template", "C:\\template"):
        answers.write_text(text.replace(f"git+file://{fork.repository}", source))
        assert f"copied from {source}, a path on one machine" in said(job.step("look"))
        assert job.output("look") == ""


@pytest.mark.full
def test_what_an_update_would_miss_is_said(fork: Releases, tmp_path: Path) -> None:
    job = weekly(fork, fork.made(), tmp_path)
    release_later(fork)
    project = job.project
    project.git("mv", "src/my_service/database/engine.py", "src/my_service/engine.py")
    project.commit()
    job.step("update")
    body = (tmp_path / "body.md").read_text()
    assert "    src/<package>/database/engine.py\n" in body
    assert "If you moved" not in body

    project.git("switch", "--quiet", "main")
    project.git("mv", "src/my_service", "src/orders")
    done = job.step("look", ok=False)
    assert done.returncode != 0
    assert "says that the package is src/my_service, which does not exist" in said(done)

    project.git("rm", "--quiet", ANSWERS)
    done = job.step("look", ok=False)
    assert done.returncode != 0
    assert f"::error::{ANSWERS} is missing" in said(done)


@pytest.mark.full
def test_the_answers_may_be_in_another_file(fork: Releases, tmp_path: Path) -> None:
    project, answers = tmp_path / "my-service", ".config/my answers.yml"
    copier("copy", "--defaults", "--answers-file", answers, fork.repository, project, cwd=tmp_path)
    job = weekly(fork, Updatable(project, "my_service"), tmp_path, answers)
    release_later(fork)
    job.step("look")
    assert job.output("look") == "newer=yes\n"
    job.step("update")
    assert job.output("update") == f"branch=template-v{LATER}\n"
    changed = job.project.git("diff", "--name-only", "main").splitlines()
    assert changed == [answers, "alembic.ini"]


def test_only_the_last_step_has_a_token(releases: Releases) -> None:
    path = releases.made().path / ".github" / "workflows"
    workflow = yaml.safe_load((path / "template.yml").read_text())
    assert set(workflow[True]) == {"schedule", "workflow_dispatch"}  # YAML reads `on` as true
    assert "env" not in workflow | workflow["jobs"]["update"]
    *others, last = workflow["jobs"]["update"]["steps"]
    assert "TOKEN" in last["env"]["GH_TOKEN"]
    assert not re.search(r"(?i)token|secrets", str(others))
    for script in [step["run"] for step in (*others, last) if "run" in step]:
        run("sh", "-c", f"echo {shlex.quote(script)} | bash -n", cwd=path)
