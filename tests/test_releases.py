"""The releases that CHANGELOG.md and tests/releases.toml name are the same."""

import re
import tomllib

from project import ROOT


def test_every_release_has_a_heading_and_a_commit() -> None:
    listed = tomllib.loads((ROOT / "tests" / "releases.toml").read_text())["release"]
    headings = re.findall(
        r"^## \[([0-9.]+)\] - \d{4}-\d\d-\d\d$",
        (ROOT / "CHANGELOG.md").read_text(),
        re.MULTILINE,
    )
    assert [release["version"] for release in listed] == headings[::-1]
    assert all(re.fullmatch("[0-9a-f]{40}", release["commit"]) for release in listed)
