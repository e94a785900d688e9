"""Every command of `db` in a rendered project, in the order of a day."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic_live.commands.main import COMMANDS
from project import Project, commit, run
from rendered import Render

# In this order; git keeps what they write.
DAY = [
    *("db start", "db status", "db migrate", "db current", "db doctor", "db lint"),
    "db revision --message another",
    *("db plan", "db statistics", "db rebase", "db upgrade head", "db drift", "db check"),
    *("db schema", "db graph", "db graph --history"),
    "git add --all",
    "git commit --quiet --message another",
    *("db squash --yes", "db record_head"),
    "git add --all",
    "git commit --quiet --message squashed",
    *("db reset --yes", "db stamp head", "db downgrade base"),
    "db remove head --published --yes",
    *("db roles --application app --owner owner", "db --version", "db stop"),
]
ELSEWHERE = {
    "baseline"
}  # tests/integration/commands/test_baseline.py: it wants a database without a history


@pytest.fixture
def project(rendered: Render, tmp_path: Path) -> Iterator[Project]:
    """A new project in git."""
    project = rendered().copy(tmp_path / "my-service", DB_MIGRATION_USER="")
    commit(project.path)
    for name, value in (("name", "Test"), ("email", "test@example.com")):
        run("git", "config", f"user.{name}", value, cwd=project.path)
    run("git", "switch", "--quiet", "--create", "mine", cwd=project.path)
    yield project
    project.db("stop")


def test_every_command_works_in_a_rendered_project(project: Project) -> None:
    for line in DAY:
        program, *words = line.split()
        if program == "git":
            run(program, *words, cwd=project.path)
        else:
            project.db(*words)


def test_no_command_is_forgotten() -> None:
    typed = {line.split()[1] for line in DAY if line.startswith("db ")}
    assert set(COMMANDS) - typed == ELSEWHERE
