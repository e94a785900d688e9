"""No line that the team wrote is lost in an update, wherever it stands."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from campaigns import campaign
from project import ROOT, said
from releases import OLDEST, RELEASES, Releases, Updatable

MARKER = "<<<<<<< before updating"


@pytest.fixture
def project(releases: Releases, tmp_path: Path, version: str) -> Updatable:
    """A project that the release has made."""
    return releases.made(version).copy(tmp_path / "my-service")


def texts(project: Updatable) -> dict[str, str]:
    """Every text file by its path, but for the answers, which are Copier's."""
    files = project.files() | project.files(teams=True)
    del files[".copier-answers.yml"]
    return {path: content.decode() for path, content in files.items()}


def write(project: Updatable, path: str, lines: Iterable[str]) -> None:
    """Write a file of some lines."""
    (project.path / path).parent.mkdir(parents=True, exist_ok=True)
    (project.path / path).write_text("".join(f"{line}\n" for line in lines))


def places_of_moves(project: Updatable) -> set[str]:
    """Where updates/moves.yml says that files went."""
    text = (ROOT / "updates" / "moves.yml").read_text()
    releases = yaml.safe_load(text.replace("{{ package_name }}", project.package))
    return {place for moves in releases.values() for place in moves.values() if place}


@campaign("version", [*RELEASES], keep=[OLDEST])
def test_every_line_of_the_teams_still_stands(releases: Releases, project: Updatable) -> None:
    added = []
    before = texts(project)
    for path, text in before.items():
        lines = []
        for number, line in enumerate(text.splitlines()):
            if number % 4 == 0:
                lines.append(f"# the team's, {path}:{number}")
            lines.append(line)
        lines.append(f"# the team's, at the end of {path}")
        added += [line for line in lines if line.startswith("# the team's, ")]
        write(project, path, lines)
    places = places_of_moves(project)
    for path in texts(releases.made()).keys() - before.keys():
        if path in places or f"{Path(path).parent}/" in places:
            continue
        added.append(f"# the team's own {path}, where the template puts one, too")
        write(project, path, added[-1:])
    assert len(added) > 500
    project.commit()

    done = project.update()

    after = texts(project)
    stands = {line for text in after.values() for line in text.splitlines()}
    assert [line for line in added if line not in stands] == []
    marked = {path for path, text in after.items() if MARKER in text}
    unmerged = project.conflicts()
    assert {path for path, state in unmerged.items() if state == "UU"} == marked
    assert not list(project.path.rglob("*.rej"))
    assert "git status" in said(done)
