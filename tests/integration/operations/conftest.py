"""Fixtures of the tests that try single operations."""

import pytest
from bench import TABLES, Bench
from project import Project
from sample import write_sample
from server import Database


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project without revisions, which the tests of a module share."""
    return write_sample(tmp_path_factory.mktemp("bench") / "project", example=False)


@pytest.fixture
def bench(project: Project, database: Database) -> Bench:
    """That project, and a database with tables."""
    with database.connect() as connection:
        connection.execute(TABLES)
    # Two calls of one length in one second would be one to Python's cache.
    environment = database.environment | {"PYTHONDONTWRITEBYTECODE": "1"}
    return Bench(project.given(**environment), database)
