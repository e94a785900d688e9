"""Every mistake is caught by one of the project's own gates (its tests, `db lint`), which names it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns import campaign
from mutations import MUTATIONS, Mutation, make_healthy
from project import Project, commit, said
from sample import write_sample
from server import Database

# A mistake for each kind of gate: of the history, the models, the rows, the SQL.
KEPT = [
    *("a_schema_file_that_is_not_written_anew", "a_missing_revision"),
    *("a_column_that_rows_cannot_get", "a_blocking_index"),
]


@pytest.fixture(scope="module")
def healthy(server: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project in which nothing is wrong, on its main branch."""
    project = write_sample(tmp_path_factory.mktemp("healthy") / "project")
    with server.another(f"healthy_{os.getpid()}") as database:
        project = project.given(**database.environment)
        make_healthy(project)
        commit(project.path)
        yield project


@pytest.fixture
def project(healthy: Project, tmp_path: Path) -> Project:
    """A copy that the test may spoil."""
    return healthy.copy(tmp_path / "project", **healthy.environment)


def gates(project: Project) -> tuple[int, str]:
    """What the project's gates say, and how many of them do not pass."""
    tests = project.run("pytest", "-q", "tests/test_migrations.py", ok=False)
    lint = project.db("lint", ok=False)
    text = said(tests) + said(lint)
    assert "Traceback" not in said(lint)
    return (tests.returncode != 0) + (lint.returncode != 0), " ".join(text.split())


def test_a_healthy_project_passes(project: Project) -> None:
    count, text = gates(project)
    assert count == 0, text


@campaign("mutation", {m.make.__name__: m for m in MUTATIONS}, keep=KEPT)
def test_a_mistake_is_caught_and_named(project: Project, mutation: Mutation) -> None:
    mutation.make(project)
    count, text = gates(project)
    assert count > 0
    for words in mutation.words:
        assert words in text
