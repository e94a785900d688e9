"""The releases that CHANGELOG.md and tests/releases.toml name are the same, and can be had."""

import re
import tomllib
from pathlib import Path

import pytest
from project import ROOT, run
from releases import Releases


def test_every_release_has_a_heading_and_a_commit() -> None:
    listed = tomllib.loads((ROOT / "tests" / "releases.toml").read_text())["release"]
    headings = re.findall(
        r"^## \[([0-9.]+)\] - \d{4}-\d\d-\d\d$",
        (ROOT / "CHANGELOG.md").read_text(),
        re.MULTILINE,
    )
    assert [release["version"] for release in listed] == headings[::-1]
    assert all(re.fullmatch("[0-9a-f]{40}", release["commit"]) for release in listed)


def test_a_shallow_checkout_fetches_the_releases(releases: Releases, tmp_path: Path) -> None:
    fetched = Releases.all(tmp_path / "releases", shallow(releases, tmp_path / "checkout"))
    assert fetched.made().files().keys() == releases.made().files().keys()


def test_a_shallow_checkout_that_cannot_fetch_them_says_so(
    releases: Releases, tmp_path: Path
) -> None:
    checkout = shallow(releases, tmp_path / "checkout")
    run("git", "remote", "remove", "origin", cwd=checkout)
    with pytest.raises(pytest.fail.Exception, match="git fetch --unshallow"):
        Releases.all(tmp_path / "releases", checkout)


def shallow(releases: Releases, to: Path) -> Path:
    """A checkout without history."""
    origin = f"file://{releases.repository}"
    run("git", "clone", "--quiet", "--depth=1", origin, to, cwd=releases.repository)
    return to
