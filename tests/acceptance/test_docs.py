"""What the documentation says, its commands do: each page's blocks are run in their order.

documents.py says how a page declares what it needs.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns import campaign
from checkout import checked_out
from documents import Page, pages_in
from project import ROOT, Project, commit, run
from reader import Reader

# Pages that a test of their own runs.
ELSEWHERE = {
    "docs/how-to/adopt.md": "test_adopting.py",
    "docs/how-to/use-the-library.md": "test_without_template.py",
    "docs/how-to/workspace.md": "test_workspace.py",
}
RENDERED = "README.md of a project"
# Whose commands go through `uv run`, as a person types them.
TYPED = ("README.md", RENDERED)
LONG = ("docs/how-to/update.md", "docs/how-to/squash.md")  # the tests of their commands are others

PAGES = [
    *(path.relative_to(ROOT).as_posix() for path in pages_in(ROOT / "docs", ROOT / "benchmarks")),
    *("README.md", "CONTRIBUTING.md", "template/packages/alembic-live/README.md", RENDERED),
]


RUN = [name for name in PAGES if name not in ELSEWHERE]


@campaign("name", RUN, keep=[name for name in RUN if name not in LONG])
def test_a_page_does_what_it_says(name: str, reader: Reader) -> None:
    reader.read()


@pytest.fixture
def reader(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    """A reader of the page, in a folder of the kind that it is about. Servers that the page starts are
    stopped at the end.
    """
    page = _page(name, request)
    folder, database = tmp_path, None
    tools: Path | None = request.getfixturevalue("tools") if page.steps else None
    if page.is_checkout:
        folder = checked_out(tmp_path / "copier-alembic")
    elif tools:
        folder = tmp_path / "my-service"
        request.getfixturevalue("rendered")(**page.answers).copy(folder).furnish()
        shutil.copy(tools.parent / "uv.lock", folder)
        commit(folder)
        if not any("db start" in step.text for step in page.steps):
            database = request.getfixturevalue("database")
    yield Reader(page, folder, database=database, tools=None if name in TYPED else tools)
    for folder in tmp_path.glob("*/.postgres"):
        if (folder / "data" / "postmaster.pid").exists():
            Project(folder.parent, "").db("stop")
        shutil.rmtree(folder.resolve())


def _page(name: str, request: pytest.FixtureRequest) -> Page:
    path = ROOT / name
    if name == RENDERED:
        path = request.getfixturevalue("rendered")().path / "README.md"
    return Page.read(name, path.read_text(encoding="utf-8"))


def test_every_page_is_run() -> None:
    assert ELSEWHERE.keys() <= {*PAGES}
    for page, module in ELSEWHERE.items():
        source = next((ROOT / "tests").rglob(module)).read_text(encoding="utf-8")
        assert Path(page).name in source, f"{module} does not run {page}"


def test_layouts_are_current() -> None:
    run(sys.executable, "tools/layout.py", "--check", cwd=ROOT)
