"""A file that the template moves or removes carries the team's changes along (updates/carry.py)."""

import shutil
from pathlib import Path

import pytest
import yaml
from answers import ANSWERS
from packaging.version import Version
from project import ROOT, run, said
from releases import RELEASES, Releases, Updatable

MOVES = yaml.safe_load((ROOT / "updates" / "moves.yml").read_text())

# A release whose files have moved since.
BEFORE = "0.2.0"
MOVED = {
    "doctor.py": "commands/doctor.py",
    "dump.py": "schema_dump.py",
    "quick.py": "quick/__init__.py",
    "roles.py": "commands/roles.py",
    "status.py": "commands/status.py",
    "testing.py": "gates/testing.py",
    "wire.py": "quick/wire.py",
}
SPLIT = ["autogenerate.py", "concurrent_indexes.py", "enums.py", "operations.py"]


@pytest.fixture
def project(releases: Releases, tmp_path: Path) -> Updatable:
    """A project from before files moved."""
    return releases.made(BEFORE).copy(tmp_path / "my-service")


def add_lines(files: list[Path]) -> list[str]:
    """Give each file a first and a last line that no other has."""
    lines = []
    for file in files:
        first, last = f"# The team's first line of {file.stem}", f"# The team's last of {file.stem}"
        file.write_text(f"{first}\n{file.read_text()}\n{last}\n")
        lines += [first, last]
    return lines


def test_every_file_that_went_away_has_a_place_in_the_table(releases: Releases) -> None:
    table = {old: new for moves in MOVES.values() for old, new in moves.items()}
    for answers in (ANSWERS["defaults"], ANSWERS["no example"], ANSWERS["as long as can be"]):
        now = releases.made(**answers)
        places = {
            old.replace("{{ package_name }}", now.package): (new or "").replace(
                "{{ package_name }}", now.package
            )
            for old, new in table.items()
        }
        for version in RELEASES:
            gone = releases.made(version, **answers).files().keys() - now.files().keys()
            missing = gone - places.keys()
            assert not missing, f"{version} has {missing}: say in updates/moves.yml where they went"
        for place in places.values():
            assert (now.path / place).exists(), f"{place} in updates/moves.yml is not there"
            assert (now.path / place).is_dir() == (not place or place.endswith("/"))


def test_an_update_to_the_newest_moves_carries_them(releases: Releases) -> None:
    [migration] = yaml.safe_load((ROOT / "copier.yml").read_text())["_migrations"]
    assert migration["version"] == max(MOVES, key=Version)
    for version, revision in RELEASES.items():
        show = ("git", "show", f"{revision}:updates/moves.yml")
        then = run(*show, cwd=releases.repository, ok=False)
        if then.returncode == 0 and yaml.safe_load(then.stdout).keys() != MOVES.keys():
            assert max(MOVES, key=Version) not in yaml.safe_load(then.stdout), version


def test_changes_go_along_with_a_file_that_moved(project: Updatable) -> None:
    lines = add_lines([project.migrate / name for name in MOVED])
    project.commit()
    said_so = said(project.update())
    for old, new in MOVED.items():
        text = (project.migrate / new).read_text()
        [first, last] = [line for line in lines if line.endswith(f" {Path(old).stem}")]
        assert first in text
        assert last in text
        assert f"migrate/{new}, from src/my_service/migrate/{old}" in said_so
        assert not (project.migrate / old).exists()


def test_a_moved_file_that_nobody_changed_is_as_a_new_project_has_it(
    releases: Releases, project: Updatable
) -> None:
    done = project.update()
    assert "moved" not in said(done)
    assert project.conflicts() == {}
    assert project.files() == releases.made().files()


def test_a_line_that_both_sides_changed_is_a_conflict_where_it_went(project: Updatable) -> None:
    old, new = project.migrate / "status.py", project.migrate / "commands" / "status.py"
    old.write_text(old.read_text().replace("import SCHEMA\n", "import SCHEMA  # ours\n"))
    project.commit()
    done = project.update()
    path = "src/my_service/migrate/commands/status.py"
    assert project.conflicts() == {path: "UU"}
    assert f"Settle it in:\n  {path}, from src/my_service/migrate/status.py\n" in said(done)
    text = new.read_text()
    assert "<<<<<<< before updating\n" in text
    assert "from ..database.schema import SCHEMA  # ours\n" in text
    assert "from ...database.schema import SCHEMA\n" in text
    assert ">>>>>>> after updating\n" in text
    assert run("git", "commit", "--message=no", cwd=project.path, ok=False).returncode != 0


def test_a_change_goes_to_the_part_of_a_split_file_that_its_lines_went_to(
    project: Updatable,
) -> None:
    old, new = project.migrate / "operations.py", project.migrate / "operations" / "indexes.py"
    line = "        unique: whether no two rows may have the same values.\n"
    changed = line + "            Ours: never for tenants.\n"
    assert line in old.read_text()
    old.write_text(old.read_text().replace(line, changed))
    project.commit()
    done = project.update()
    assert changed in new.read_text()
    assert not old.exists()
    assert project.conflicts() == {}
    assert "migrate/operations/indexes.py, from src/my_service/migrate/operations.py" in said(done)


def test_a_change_without_a_place_stays_in_the_old_file_as_a_conflict(project: Updatable) -> None:
    files = [project.migrate / name for name in SPLIT]
    add_lines(files)
    project.commit()
    before = {file: file.read_text() for file in files}
    done = project.update()
    assert {file: file.read_text() for file in files} == before
    kept = {f"src/my_service/migrate/{name}": "UD" for name in SPLIT}
    assert project.conflicts() == kept
    for path in kept:
        assert f"\n  {path}, now in " in said(done)
    status = project.git("status")
    assert status.count("deleted by them") == len(SPLIT)


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


def test_a_file_that_the_team_had_deleted_stays_deleted_where_it_moved(project: Updatable) -> None:
    (project.migrate / "doctor.py").unlink()
    project.commit()
    done = project.update()
    assert not (project.migrate / "commands" / "doctor.py").exists()
    assert "commands/doctor.py, as src/my_service/migrate/doctor.py was" in said(done)


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
