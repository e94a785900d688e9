"""GitHub workflows, ours and the rendered ones: what they may do, and which code they run."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from answers import ANSWERS
from campaigns import campaign
from project import ROOT, run
from rendered import Render

# What the token of each job may do.
PERMISSIONS = {
    "ours": {
        "test": {"contents": "read"},
        "sqlalchemy": {"contents": "read"},
        "bare": {"contents": "read"},
        "prereleases": {"contents": "read"},
    },
    "rendered": {
        "check": {"contents": "read"},
        "plan": {"contents": "read", "pull-requests": "write"},
        "update": {"contents": "write", "pull-requests": "write"},
    },
}

both = pytest.mark.parametrize("whose", PERMISSIONS)


@pytest.fixture
def github(whose: str, rendered: Render) -> Path:
    """The folder .github of this repository, or of a rendered project."""
    return (ROOT if whose == "ours" else rendered().path) / ".github"


def zizmor(folder: Path) -> None:
    """Run zizmor, which finds what is unsafe in workflows. It asks nobody on the network."""
    program = Path(sys.executable).with_name("zizmor")
    run(program, "--offline", "--no-config", "--strict-collection", folder, cwd=folder)


def test_zizmor_finds_nothing_in_ours() -> None:
    zizmor(ROOT / ".github")


@campaign("answers", ANSWERS, keep=["defaults", "quotes and braces"])
def test_zizmor_finds_nothing_in_a_rendered_project(
    rendered: Render, answers: dict[str, Any]
) -> None:
    zizmor(rendered(**answers).path)


@both
def test_actions_are_pinned_and_say_which_version(github: Path) -> None:
    pins: dict[str, list[str]] = {}
    for path in github.glob("workflows/*"):
        for line in re.findall(r"uses: *(.*)", path.read_text()):
            pin = re.fullmatch(r"([\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line)
            assert pin, f"{path.name}: {line}"
            action, *version = pin.groups()
            assert pins.setdefault(action, version) == version, f"{action} has two versions"
    assert pins.keys() == {"actions/checkout", "astral-sh/setup-uv"}


@both
def test_dependabot_moves_the_pins(github: Path) -> None:
    configuration = yaml.safe_load((github / "dependabot.yml").read_text())
    [updates] = configuration["updates"]
    assert updates["package-ecosystem"] == "github-actions"
    assert updates["directory"] == "/"
    assert updates["cooldown"]["default-days"] >= 7


@both
def test_a_job_may_do_what_it_has_to(whose: str, github: Path) -> None:
    permissions = {}
    for path in github.glob("workflows/*"):
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] in ({}, {"contents": "read"})  # what a new job begins with
        assert workflow["concurrency"]
        for name, job in workflow["jobs"].items():
            permissions[name] = workflow["permissions"] | job.get("permissions", {})
            assert job["timeout-minutes"] <= 30
            for step in job["steps"]:
                assert "${{" not in step.get("run", ""), "may be anybody's text in a script"
                if "checkout" in step.get("uses", ""):
                    assert step["with"]["persist-credentials"] is False
    assert permissions == PERMISSIONS[whose]


def test_the_hooks_before_a_commit_run_it(rendered: Render) -> None:
    project = rendered()
    configuration = (project.path / ".pre-commit-config.yaml").read_text()
    assert "entry: uv run db lint" in configuration
    workflow = (project.path / ".github" / "workflows" / "ci.yml").read_text()
    assert 'uv run db lint --github --since "$SINCE"' in workflow
