"""docs/how-to/use-the-library.md: the library without the template, with uv and with pip."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic_live.postgres.local.cluster import free_port
from documents import Page
from project import ROOT, commit
from reader import Reader

PAGE = ROOT / "docs" / "how-to" / "use-the-library.md"
PORT = "54327"  # as the page has it
TOOLS = {"uv": "pip", "pip": "uv"}  # each with the one that its reader does not take


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library in a git repository, as it stands in the working tree."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(
        ROOT / "template" / "packages",
        folder / "template" / "packages",
        ignore=shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", "dist", "uv.lock"),
    )
    commit(folder)
    return folder


@pytest.fixture(params=["uv", pytest.param("pip", marks=pytest.mark.full)])
def tool(request: pytest.FixtureRequest) -> str:
    """What the reader installs with."""
    return str(request.param)


def page_for(tool: str) -> Page:
    """The page without what is for readers with the other tool."""
    text = PAGE.read_text(encoding="utf-8")
    text, number = re.subn(rf"### With {TOOLS[tool]}\n.*?(?=\n### )", "", text, flags=re.DOTALL)
    assert number == 1
    assert PORT in text
    return Page.read(PAGE.name, text.replace(PORT, str(free_port("127.0.0.1"))))


@pytest.fixture
def reader(tool: str, tmp_path: Path, repository: Path) -> Iterator[Reader]:
    """A reader in an empty folder. The server that the page starts is stopped at the end."""
    folder = tmp_path / "shop"
    folder.mkdir()
    environment = {"LIBRARY": f"git+file://localhost{repository}"}
    bin = folder / ".venv" / "bin"
    if tool == "pip":  # what `activate` does in the page's shell
        path = f"{bin}{os.pathsep}{os.environ['PATH']}"
        environment |= {"VIRTUAL_ENV": str(folder / ".venv"), "PATH": path}
    yield Reader(
        page_for(tool),
        folder,
        environment=environment,
        rewritten=lambda text: text.replace("uv run ", "") if tool == "pip" else text,
    )
    if (folder / ".postgres").exists():
        subprocess.run([bin / "db", "stop"], cwd=folder, check=True, capture_output=True)
        shutil.rmtree((folder / ".postgres").resolve())


def test_the_page_does_what_it_says(reader: Reader) -> None:
    assert len(reader.page.steps) > 25
    reader.read()
