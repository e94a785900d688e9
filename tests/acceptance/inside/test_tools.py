"""The settings of pytest and coverage in pyproject.toml."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

HANDLER = """
from fastapi import FastAPI
from my_service.database.session import session
from sqlalchemy import text

app = FastAPI()


@app.get("/")
async def root() -> int:
    async with session() as current:
        value = int(await current.scalar(text("SELECT 1")) or 0)
        rows = (await current.execute(text("SELECT 2"))).all()
        value += rows[0][0]
    return value
"""
TEST = """
import httpx
from my_service.handler import app
from sqlalchemy.ext.asyncio import AsyncSession


async def test_root(db: AsyncSession) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/")).json() == 3
"""


def warn(module: str) -> None:
    warnings.warn_explicit("old", DeprecationWarning, "file.py", 1, module=module)


@pytest.mark.parametrize("module", ["my_service.database.models", "test_orders", "conftest"])
def test_a_warning_in_own_code_is_an_error(module: str) -> None:
    with pytest.raises(DeprecationWarning):
        warn(module)


def test_a_warning_in_a_dependency_is_none() -> None:
    with warnings.catch_warnings(record=True) as found:  # it keeps the filters
        warn("someone_elses.package")
    assert len(found) == 1


def test_coverage_counts_the_lines_of_a_handler_after_a_query() -> None:
    Path("src/my_service/handler.py").write_text(HANDLER)
    Path("tests/test_handler.py").write_text(TEST)
    coverage = (sys.executable, "-m", "coverage")
    run = ("run", "-m", "pytest", "-q", "-Wdefault", "tests/test_handler.py")
    subprocess.run((*coverage, *run), check=True, stdout=subprocess.DEVNULL)
    report = ("report", "--include=*/handler.py", "--show-missing")
    done = subprocess.run((*coverage, *report), check=True, capture_output=True, text=True)
    assert "handler.py" in done.stdout
    assert "100%" in done.stdout, done.stdout
