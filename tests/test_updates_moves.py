"""A file that the template moves or removes carries the team's changes along (updates/carry.py)."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from answers import ANSWERS
from packaging.version import Version
from project import ROOT, run, said
from releases import RELEASES, Releases, Updatable

TABLE = (ROOT / "updates" / "moves.yml").read_text()
MOVES = yaml.safe_load(TABLE)

# A release whose files have moved since, and what became of them.
BEFORE = "0.2.0"
MOVED = {
    "quick.py": "quick/__init__.py",
    "roles.py": "commands/roles.py",
    "testing.py": "gates/testing.py",
    "wire.py": "quick/wire.py",
}
KEPT = ["autogenerate.py", "concurrent_indexes.py", "enums.py"]

# What the team has changed besides: a line that the template changes too, in a file that moved, and
# one that does not change in a file that was split.
IMPORT = "from ..config import settings"
UNIQUE = "        unique: whether no two rows may have the same values.\n"
OURS = f"{UNIQUE}            Ours: never for tenants.\n"


@dataclass
class Update:
    """A project after an update, what was said, and the lines that the team had added."""

    project: Updatable
    said: str
    lines: list[str]


@pytest.fixture(scope="module")
def updated(releases: Releases, tmp_path_factory: pytest.TempPathFactory) -> Update:
    """A project from before files moved, changed in all of them and updated. For looking at only."""
    project = releases.made(BEFORE).copy(tmp_path_factory.mktemp("moves") / "my-service")
    lines = add_lines([project.migrate / name for name in (*MOVED, *KEPT)])
    change(project.migrate / "status.py", f"{IMPORT}\n", f"{IMPORT}  # ours\n")
    change(project.migrate / "operations.py", UNIQUE, OURS)
    (project.migrate / "doctor.py").unlink()
    project.commit()
    return Update(project, said(project.update()), lines)


@pytest.fixture
def project(releases: Releases, tmp_path: Path) -> Updatable:
    """A project from before files moved."""
    return releases.made(BEFORE).copy(tmp_path / "my-service")


def change(path: Path, old: str, new: str) -> None:
    """Change a text in a file."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def add_lines(files: list[Path]) -> list[str]:
    """Give each file a first and a last line that no other has."""
    lines = []
    for file in files:
        first, last = f"# The team's first line of {file.stem}", f"# The team's last of {file.stem}"
        file.write_text(f"{first}\n{file.read_text()}\n{last}\n")
        lines += [first, last]
    return lines


def test_every_file_that_went_away_has_a_place_in_the_table(releases: Releases) -> None:
    for answers in (ANSWERS["defaults"], ANSWERS["as long as can be"]):
        now = releases.made(**answers)
        text = TABLE.replace("{{ package_name }}", now.package)
        moves = {Version(since): places for since, places in yaml.safe_load(text).items()}
        for version in RELEASES:
            gone = releases.made(version, **answers).files().keys() - now.files().keys()
            for since in moves:
                if since > Version(version):  # else an update from there carries nothing
                    gone -= moves[since].keys()
            assert not gone, f"{version} has {gone}: say in updates/moves.yml where they went"
        for place in (place for places in moves.values() for place in places.values() if place):
            assert (now.path / place).exists(), f"{place} in updates/moves.yml is not there"
            assert (now.path / place).is_dir() == place.endswith("/")


def test_an_update_to_the_newest_moves_carries_them(releases: Releases) -> None:
    [migration] = yaml.safe_load((ROOT / "copier.yml").read_text())["_migrations"]
    assert migration["version"] == max(MOVES, key=Version)
    for version, revision in RELEASES.items():
        show = ("git", "show", f"{revision}:updates/moves.yml")
        then = run(*show, cwd=releases.repository, ok=False)
        if then.returncode == 0 and yaml.safe_load(then.stdout).keys() != MOVES.keys():
            assert max(MOVES, key=Version) not in yaml.safe_load(then.stdout), version


def test_changes_go_along_with_a_file_that_moved(updated: Update) -> None:
    for old, new in MOVED.items():
        text = (updated.project.migrate / new).read_text()
        [first, last] = [line for line in updated.lines if line.endswith(f" {Path(old).stem}")]
        assert first in text
        assert last in text
        assert f"migrate/{new}, from src/my_service/migrate/{old}" in updated.said
        assert not (updated.project.migrate / old).exists()


def test_a_line_that_both_sides_changed_is_a_conflict_where_it_went(updated: Update) -> None:
    path = "src/my_service/migrate/commands/status.py"
    unmerged = updated.project.conflicts()
    assert {path for path, state in unmerged.items() if state == "UU"} == {path}
    assert f"Settle it in:\n  {path}, from src/my_service/migrate/status.py\n" in updated.said
    text = (updated.project.path / path).read_text()
    assert "<<<<<<< before updating\n" in text
    assert f"{IMPORT}  # ours\n" in text
    assert "from ...config import settings\n" in text
    assert ">>>>>>> after updating\n" in text
    commit = run("git", "commit", "--message=no", cwd=updated.project.path, ok=False)
    assert commit.returncode != 0


def test_a_change_goes_to_the_part_of_a_split_file_that_its_lines_went_to(updated: Update) -> None:
    assert OURS in (updated.project.migrate / "operations" / "indexes.py").read_text()
    assert not (updated.project.migrate / "operations.py").exists()
    part = "migrate/operations/indexes.py, from src/my_service/migrate/operations.py"
    assert part in updated.said


def test_a_change_without_a_place_stays_in_the_old_file_as_a_conflict(updated: Update) -> None:
    kept = {f"src/my_service/migrate/{name}" for name in KEPT}
    unmerged = updated.project.conflicts()
    assert {path for path, state in unmerged.items() if state == "UD"} == kept
    assert updated.project.git("status").count("deleted by them") == len(KEPT)
    for path in kept:
        text = (updated.project.path / path).read_text()
        committed = updated.project.git("show", f"HEAD:{path}")
        assert text == committed
        assert f"\n  {path}, now in " in updated.said


def test_a_file_that_the_team_had_deleted_stays_deleted_where_it_moved(updated: Update) -> None:
    assert not (updated.project.migrate / "commands" / "doctor.py").exists()
    assert "commands/doctor.py, as src/my_service/migrate/doctor.py was" in updated.said


def test_a_moved_file_that_nobody_changed_is_as_a_new_project_has_it(
    releases: Releases, project: Updatable
) -> None:
    done = project.update()
    assert "moved" not in said(done)
    assert project.conflicts() == {}
    assert project.files() == releases.made().files()


def test_a_file_that_went_for_good_stays_where_the_team_had_changed_it(
    releases: Releases, tmp_path: Path
) -> None:
    fork = releases.fork(tmp_path)
    (fork.repository / "template" / ".dockerignore").unlink()
    fork.release("999.1.0")
    project = fork.made(BEFORE)
    lines = add_lines([project.path / ".dockerignore"])
    project.commit()
    done = project.update("999.1.0")
    assert project.conflicts() == {".dockerignore": "UD"}
    assert set(lines) <= set((project.path / ".dockerignore").read_text().splitlines())
    assert "\n  .dockerignore\n" in said(done)


def test_changes_go_along_in_a_folder_of_a_larger_repository(
    releases: Releases, tmp_path: Path
) -> None:
    whole = releases.made(BEFORE).copy(tmp_path / "whole")
    shutil.rmtree(whole.path / ".git")
    part = Updatable(whole.path / "services" / "orders", whole.package)
    part.path.parent.mkdir()
    names = [path for path in whole.path.iterdir() if path.name not in ("services", ".venv")]
    part.path.mkdir()
    for path in names:
        shutil.move(path, part.path)
    lines = add_lines([part.migrate / "status.py", part.migrate / "operations.py"])
    whole.commit()
    part.update()
    moved = (part.migrate / "commands" / "status.py").read_text().splitlines()
    kept = (part.migrate / "operations.py").read_text().splitlines()
    assert set(lines) <= {*moved, *kept}
    assert whole.conflicts() == {"services/orders/src/my_service/migrate/operations.py": "UD"}


def test_without_trust_the_update_says_what_it_needs_and_changes_nothing(
    project: Updatable,
) -> None:
    add_lines([project.migrate / name for name in MOVED])
    project.commit()
    done = project.update(trust=False, ok=False)
    assert done.returncode != 0
    assert "migrations" in said(done)
    assert "--trust" in said(done)
    assert project.git("status", "--porcelain") == ""


def test_an_update_past_which_nothing_moved_needs_no_trust(
    releases: Releases, tmp_path: Path
) -> None:
    fork = releases.fork(tmp_path)
    project = fork.made()
    with (fork.repository / "template" / "alembic.ini").open("a") as file:
        file.write("# later\n")
    fork.release("999.1.0")
    project.update("999.1.0", trust=False)
    assert project.git("diff", "--name-only").split() == [".copier-answers.yml", "alembic.ini"]
