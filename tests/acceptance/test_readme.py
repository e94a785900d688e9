"""README's line runs the tests, and each link leads somewhere. test_docs.py runs the pages."""

import re
from pathlib import Path

import pytest
from checkout import checked_out
from project import ROOT, run, said

pytestmark = pytest.mark.typed

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(([^)#\s]*)#?([^)\s]*)\)")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of this repository as it stands, with nothing that git ignores."""
    return checked_out(tmp_path_factory.mktemp("readme") / "copier-alembic")


def lines_after(heading: str) -> str:
    """The first block of commands under a heading of README."""
    section = README.split(f"\n## {heading}\n")[1]
    block = re.search(r"```sh\n(.+?)\n```", section, re.DOTALL)
    assert block
    return block[1]


def test_one_line_runs_the_tests(checkout: Path) -> None:
    line = lines_after("Work on the template")
    assert "\n" not in line
    few = {"PYTEST_ADDOPTS": "tests/acceptance/test_rendering.py -k 'tidy and default'"}
    assert " passed in " in said(run("sh", "-c", line, cwd=checkout, environment=few))


def test_ci_runs_that_line() -> None:
    assert lines_after("Work on the template") in (ROOT / ".ci/run").read_text().splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            to = page.parent / target if target else page
            assert to.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(to), f"{page.name} links to {target}#{anchor}"


def anchors(page: Path) -> list[str]:
    """What the headings of a page are called in links, on GitHub."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
