"""The rendered job that comments a pull request with the plan of its revisions, run step by step as
GitHub does.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import Finished, Project, commit, run
from rendered import Render
from revisions import git, revise

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="gh has jq in it, this has not")

UV = '#!/bin/sh\nshift\nname=$1\nshift\nexec "$TOOLS/$name" "$@"\n'
# GitHub's program. It has the comments in a file, and notes what it was asked to do.
GH = """\
#!/bin/sh
echo "$*" | sed 's/ --jq .*//' >> "$RUNNER_TEMP/asked"
for word in "$@"; do
  case "$last" in --jq) filter=$word ;; esac
  last=$word
done
[ -z "$filter" ] || jq --raw-output "$filter" "$RUNNER_TEMP/comments"
"""
REHEARSE, COMMENT = "Rehearse the new revisions", "Comment on the pull request"
BOT, PERSON = {"login": "github-actions[bot]"}, {"login": "alice"}


@dataclass
class Job:
    """The job in a project."""

    project: Project
    folder: Path
    job: dict[str, Any]

    def step(self, name: str) -> Finished:
        """Run a step with the variables that it declares."""
        [step] = [each for each in self.job["steps"] if each.get("name") == name]
        declared = {key: value for key, value in step["env"].items() if "${{" not in value}
        assert self.project.tools
        return run(
            "bash", "-e", "-c", step["run"],
            cwd=self.project.path,
            environment={
                "TOOLS": str(self.project.tools / "bin"),
                "PYTHONPATH": os.pathsep.join(map(str, self.project.sources)),
                "SINCE": "main",
                "NUMBER": "7",
                "GITHUB_REPOSITORY": "a/b",
                "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
                "RUNNER_TEMP": str(self.folder),
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            }
            | declared,
        )  # fmt: skip

    def asked(self, *comments: dict[str, Any]) -> list[str]:
        """What gh is asked to do where a pull request has these comments, apart from listing them."""
        found = [{"id": number, **each} for number, each in enumerate(comments, start=11)]
        (self.folder / "comments").write_text(json.dumps(found))
        (self.folder / "asked").unlink(missing_ok=True)
        self.step(COMMENT)
        first, *rest = (self.folder / "asked").read_text().splitlines()
        assert first == "api --paginate repos/a/b/issues/7/comments"
        return rest


@pytest.fixture
def job(rendered: Render, tmp_path: Path) -> Job:
    project = rendered().copy(tmp_path / "project")
    for name, text in {"uv": UV, "gh": GH}.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    workflow = yaml.safe_load((project.path / ".github/workflows/ci.yml").read_text())
    return Job(project, tmp_path, workflow["jobs"]["plan"])


def test_a_pull_request_gets_one_comment_that_is_updated(job: Job) -> None:
    commit(job.project.path)
    git(job.project, "switch", "--quiet", "--create", "branch")
    revise(job.project, "aaaa", 'op.drop_column("notes", "body")')
    commit(job.project.path)
    job.step(REHEARSE)
    plan = (job.folder / "plan.md").read_text()
    assert "column notes.body" in plan
    assert (job.folder / "summary").read_text() == plan
    marker = plan.split("\n")[0]
    body = f"--field body=@{job.folder}/plan.md"
    create = f"api --silent --method POST repos/a/b/issues/7/comments {body}"
    other = {"user": BOT, "body": "Coverage: 12 %"}
    assert job.asked() == [create]
    quoted = {"user": PERSON, "body": marker}
    assert job.asked(other, quoted, {"user": BOT, "body": f"See {marker}"}) == [create]
    own = {"user": BOT, "body": f"{marker}\r\n### Migrations"}
    update = f"api --silent --method PATCH repos/a/b/issues/comments/12 {body}"
    assert job.asked(other, own) == [update]
    assert job.asked(other, own, own) == [update]


def test_without_a_new_revision_only_an_older_comment_is_updated(job: Job) -> None:
    commit(job.project.path)
    job.step(REHEARSE)
    plan = (job.folder / "plan.md").read_text()
    assert "\nNothing to do: " in plan
    assert job.asked() == []
    assert len(job.asked({"user": BOT, "body": plan})) == 1


def test_only_a_pull_request_of_the_repository_itself_is_commented(job: Job) -> None:
    assert job.job["if"] == "github.event_name == 'pull_request'"
    conditions = {each.get("name"): each.get("if") for each in job.job["steps"]}
    assert "head.repo.full_name == github.repository" in conditions.pop(COMMENT)
    assert set(conditions.values()) == {None}
