"""Fixtures of the tests that drive the library in a small project, on a real server."""

import sys
from itertools import count
from pathlib import Path
from typing import Any

import alembic_live
import pytest
from in_process import InProcess
from project import Project
from sample import NewProject, write_sample
from server import Database

_numbers = count()


@pytest.fixture
def new_project(tmp_path: Path, database: Database) -> NewProject:
    """Writes a project that the test may change, with an empty database."""

    def new_project(**options: Any) -> Project:
        number = len(list(tmp_path.glob("project*")))
        folder = tmp_path / f"project{number}"
        return write_sample(folder, **options).given(**database.environment)

    return new_project


@pytest.fixture
def in_process(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Writes a project and imports it into this process, with an empty database and settings."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def in_process(**settings: str) -> alembic_live.Project:
        for name, value in (database.environment | settings).items():
            monkeypatch.setenv(name, value)
        package = f"in_process_{next(_numbers)}"  # what is imported once stays
        sample = write_sample(tmp_path / package, package_name=package)
        return alembic_live.load_project(sample.path / "alembic.ini")

    return in_process


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project without a database. Tests share it, so they leave its files alone."""
    return write_sample(tmp_path_factory.mktemp("service") / "my-service")
