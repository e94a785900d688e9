"""Tests that have to run inside a project: they are copied into one, and its pytest runs them."""

import shutil
from pathlib import Path

import pytest
from passes import assert_passes
from rendered import Render

pytestmark = pytest.mark.typed

INSIDE = Path(__file__).with_name("inside")


def test_inside_a_project(render: Render) -> None:
    project = render()
    project.environment.clear()
    modules = sorted(path.name for path in INSIDE.glob("test_*.py"))
    for module in modules:
        shutil.copy(INSIDE / module, project.path / "tests")
    tests = (f"tests/{module}" for module in modules)
    extra = ["--with=coverage", "--with=fastapi", "--with=httpx", "--with=psycopg[binary]"]
    done = project.run(*extra, "pytest", "-q", *tests, ok=False)
    assert done.returncode == 0, done.stdout
    assert_passes(done.stdout)
