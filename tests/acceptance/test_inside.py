"""Tests that have to run inside a project: they are copied into one, and its pytest runs them."""

import shutil
from pathlib import Path

import pytest
from passes import assert_passes
from rendered import Render

pytestmark = pytest.mark.typed

INSIDE = Path(__file__).with_name("inside")


@pytest.mark.parametrize("module", sorted(path.name for path in INSIDE.glob("test_*.py")))
def test_inside_a_project(render: Render, module: str) -> None:
    project = render()
    project.environment.clear()
    shutil.copy(INSIDE / module, project.path / "tests")
    extra = ["--with=coverage", "--with=fastapi", "--with=httpx", "--with=psycopg[binary]"]
    done = project.run(*extra, "pytest", "-q", f"tests/{module}", ok=False)
    assert done.returncode == 0, done.stdout
    assert_passes(done.stdout)
