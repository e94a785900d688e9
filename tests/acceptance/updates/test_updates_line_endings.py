"""Where git converts line endings (`core.autocrlf`), an update has no more conflicts than elsewhere."""

from pathlib import Path

import pytest
from campaigns import campaign
from project import COPIER_SETTINGS, run
from releases import OLDEST, RELEASES, WITHOUT_LIBRARY, WORKING_TREE, Releases, Updatable

NEWEST = [*RELEASES][-1]
LATER = "999.1.0"


def configured(folder: Path, autocrlf: str) -> dict[str, str]:
    """The environment of a person whose git converts line endings, or does not."""
    path = folder / f"gitconfig-{autocrlf}"
    path.write_text(
        f"[core]\nautocrlf = {autocrlf}\nsafecrlf = false\n[user]\nname = Ada\nemail = a@example.com\n"
    )
    return {"GIT_CONFIG_GLOBAL": str(path), "COPIER_SETTINGS_PATH": str(COPIER_SETTINGS)}


def lived_in(project: Updatable, to: Path, environment: dict[str, str]) -> Updatable:
    """A clone of a project with changes of the team."""
    run("git", "clone", "--quiet", project.path, to, cwd=to.parent, environment=environment)
    team = Updatable(to, project.package, environment)
    for path, old, new in (
        ("alembic.ini", b"timezone = UTC", b"timezone = Europe/Berlin"),
        ("compose.yaml", b"retries: 60", b"retries: 90"),
    ):
        text = (to / path).read_bytes()
        assert text.count(old) == 1
        (to / path).write_bytes(text.replace(old, new))
    team.git("add", "--all")
    team.git("commit", "--quiet", "--message=Ours")
    return team


@pytest.mark.full
@campaign("version", [OLDEST, WITHOUT_LIBRARY], keep=[WITHOUT_LIBRARY])
def test_an_update_that_moves_files_makes_the_same(
    releases: Releases, tmp_path: Path, version: str
) -> None:
    made = {}
    for autocrlf in ("false", "true"):
        project = releases.made(version)
        team = lived_in(project, tmp_path / autocrlf, configured(tmp_path, autocrlf))
        crlf = b"\r\n" in (team.path / "alembic.ini").read_bytes()
        assert crlf == (autocrlf == "true")
        team.update()
        files = {path: text.replace(b"\r", b"") for path, text in team.files().items()}
        made[autocrlf] = (team.conflicts(), files)
    assert made["false"] == made["true"]


@pytest.fixture
def fork(releases: Releases, tmp_path: Path) -> Releases:
    """The template, with a later release that changes the lines that the team changed."""
    fork = releases.fork(tmp_path / "fork")
    for path, old, new in (
        ("alembic.ini.jinja", "timezone = UTC", "timezone = Asia/Tokyo"),
        ("compose.yaml", "retries: 60", "retries: 30"),
    ):
        file = fork.repository / "template" / path
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))
    fork.release(LATER)
    return fork


@campaign("version", [NEWEST, WORKING_TREE], keep=[WORKING_TREE])
@pytest.mark.full
def test_a_conflict_is_in_a_few_lines(fork: Releases, tmp_path: Path, version: str) -> None:
    team = lived_in(fork.made(version), tmp_path / "team", configured(tmp_path, "true"))
    team.update(LATER)
    assert team.conflicts() == {"alembic.ini": "UU", "compose.yaml": "UU"}
    for path in team.conflicts():
        _, _, conflict = team.read(path).partition("<<<<<<< before updating\n")
        assert conflict.index(">>>>>>> after updating\n") < 300
        assert conflict.count("<<<<<<<") == 0
        assert b"\r" not in (team.path / path).read_bytes()
