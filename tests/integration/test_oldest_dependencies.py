"""The oldest versions that the library's pyproject.toml accepts. An application excludes newer ones."""

import sys
from pathlib import Path

import pytest
from project import ROOT, run

LIBRARY = ROOT / "template" / "packages" / "alembic-live"
GATES = "tests/integration/testing/test_gates.py"
TESTS = ("tests/unit/autogenerate", "tests/unit/test_project.py", GATES)
OF_THE_TESTS = (
    "hypothesis",
    "pyyaml",
    "trustme",
    "psycopg[binary]",
    "psycopg2-binary",
    "pydantic<2.9",
)


@pytest.mark.full
def test_the_oldest_accepted_versions_work(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    install = ("uv", "pip", "install", "--quiet", "--python", python)
    for command in (
        ("uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"),
        (*install, "--resolution", "lowest-direct", "--editable", f"{LIBRARY}[dev]"),
        (*install, *OF_THE_TESTS),
    ):
        run(*command, cwd=ROOT)
    done = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "1", *TESTS, cwd=ROOT)
    assert " passed" in done.stdout
