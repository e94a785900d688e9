"""The first hour with a new project: everything it brings is green, whatever was answered."""

from typing import Any

from answers import ANSWERS
from campaigns import campaign
from interpreters import interpreters
from passes import assert_passes
from project import commit, said
from rendered import Render

FIRST_HOURS = [
    *("defaults", "no example", "own schema", "own schema, no example"),
    *("quotes and braces", "as long as can be", "as short as can be"),
]


@campaign(
    "answers",
    {name: ANSWERS[name] for name in FIRST_HOURS},
    keep=[],
)
def test_everything_is_green_in_a_new_project(render: Render, answers: dict[str, Any]) -> None:
    project = render(**answers)
    project.environment.clear()  # no server but the one that the tests start
    commit(project.path)
    if not answers:  # test_rendering.py does so for each set of answers
        project.run("ruff", "check")
        project.run("ruff", "format", "--check")
        project.run("mypy")
    assert_passes(said(project.run("pytest")))
    assert_passes(said(project.run("pytest", "-n", "2")))
    untracked = project.run("git", "status", "--porcelain", "--", ":!uv.lock").stdout
    assert untracked == "", "a check wrote files that git neither knows nor ignores"


# CI runs the suite by each Python.
@campaign("version", [*interpreters()], keep=[*interpreters()][-1:])
def test_everything_is_green_with_each_python(render: Render, version: str) -> None:
    project = render(**ANSWERS["quotes and braces"], python_version=version)
    project.environment = {"UV_PYTHON": str(interpreters()[version])}
    assert project.run("python", "--version").stdout.split()[1].startswith(version)
    assert_passes(said(project.run("pytest", "-n", "2")))
