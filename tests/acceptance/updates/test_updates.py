"""`copier update` from every release to the working tree: what an untouched project becomes."""

import re
from pathlib import Path
from typing import Any

import pytest
from answers import ANSWERS
from campaigns import campaign
from project import said
from releases import RELEASES, TEAMS, WORKING_TREE, Releases, Updatable, copier

ANSWERED = ["defaults", "own schema, no example", "quotes and braces"]

MARKERS = (b"<<<<<<< ", b">>>>>>> ")


@campaign("answers", {name: ANSWERS[name] for name in ANSWERED}, keep=ANSWERED[:1])
@pytest.mark.full
def test_release_by_release_makes_a_project_what_a_new_one_is(
    releases: Releases, tmp_path: Path, answers: dict[str, Any]
) -> None:
    oldest, *later = [*RELEASES, WORKING_TREE]
    project = releases.made(oldest, **answers).copy(tmp_path / "project")
    for version in later:
        hop(project, releases.made(version, **answers), version)
        project.commit()
    if not answers:
        project.update(trust=False)
        assert project.git("status", "--porcelain") == "", "a second update changes something"


# Every release with every set of answers, but for the newest, which is the last hop above. The
# suite has each release and each set once.
HOPS = {
    f"{version}-{name}": (version, ANSWERS[name])
    for version in [*RELEASES][:-1]
    for name in ANSWERED
}
ONCE = [
    f"{version}-{ANSWERED[number % len(ANSWERED)]}"
    for number, version in enumerate([*RELEASES][:-1])
]
# From the oldest release, which goes through every change, and from one in the middle.
KEPT = [ONCE[0], ONCE[len(ONCE) // 2]]


@campaign(("version", "answers"), HOPS, keep=KEPT)
def test_one_hop_makes_a_project_what_a_new_one_is(
    releases: Releases, tmp_path: Path, version: str, answers: dict[str, Any]
) -> None:
    project = releases.made(version, **answers).copy(tmp_path / "project")
    hop(project, releases.made(**answers), WORKING_TREE)


def test_an_older_project_gets_the_web_application_if_it_asks(
    releases: Releases, tmp_path: Path
) -> None:
    [*_, newest] = RELEASES
    project = releases.made(newest).copy(tmp_path / "project")
    copier("recopy", "--defaults", "--overwrite", f"--vcs-ref=v{WORKING_TREE}", cwd=project.path)
    assert project.answers["web"] == "none"
    project.undo()
    hop(project, releases.made(), WORKING_TREE)
    assert project.answers["web"] == "none"
    project.commit()
    (project.path / "src/my_service/database/models/note.py").unlink()
    project.commit()
    done = project.update(WORKING_TREE, "--data=web=fastapi", trust=False)
    assert "src/my_service/web/notes.py needs it: delete that file" in said(done)
    assert project.files() == releases.made(web="fastapi").files()
    project.commit()
    done = project.update(WORKING_TREE, "--data=web=none", trust=False)
    assert "src/my_service/web/notes.py" not in said(done)
    assert project.files() == releases.made().files()


def test_a_project_is_told_what_belongs_to_the_team(releases: Releases) -> None:
    left_out = [
        re.sub(r"\{%.*?%\}", "", pattern)
        for pattern in releases.configuration()["_exclude"]
        if "_copier_operation" in pattern
    ]
    assert sorted(pattern.replace("**", "*") for pattern in left_out) == sorted(TEAMS)
    readme = (releases.made().path / "README.md").read_text()
    [yours] = re.findall(r"^\| you \| (.+?) \|", readme, re.MULTILINE)
    for word in ("models", "revisions", "tests", "README", "migrations/head.txt"):
        assert word in yours


def hop(project: Updatable, new: Updatable, version: str) -> None:
    """Update a project that nobody has touched, and compare it with a new one."""
    teams = project.files(teams=True)
    done = project.update(version)
    assert project.conflicts() == {}, said(done)
    files = project.files()
    assert [path for path in files if path.endswith(".rej")] == []
    assert [path for path in files if any(marker in files[path] for marker in MARKERS)] == []
    assert files.keys() == new.files().keys()
    assert [path for path, content in new.files().items() if files[path] != content] == []
    assert project.files(teams=True) == teams, "an update changes what belongs to the team"
