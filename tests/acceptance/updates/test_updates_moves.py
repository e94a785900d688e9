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

# A release from before the machinery left the package, and what became of its files.
BEFORE = "1.0.0"
MOVED = {
    "database/tls.py": "address.py",
    "migrate/advisory_lock.py": "runtime/lock.py",
    "migrate/commands/roles.py": "commands/roles.py",
    "migrate/graph/text.py": "commands/graph/diagrams.py",
    "migrate/operations/indexes.py": "operations/indexes.py",
}
KEPT = ["migrate/quick/wire.py", "paths.py"]  # they have no successor
CONFLICT = ("migrate/databases.py", "postgres/databases.py")  # its imports are others now

# A release before 0.3.0, which split files.
SPLIT = "0.2.0"


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
    lines = add_lines([project.source / name for name in (*MOVED, *KEPT)])
    [old, *_] = relative_imports(project.source / CONFLICT[0])
    project.edit(f"src/my_service/{CONFLICT[0]}", f"{old}\n", f"{old}  # ours\n")
    (project.migrate / "commands" / "doctor.py").unlink()
    project.commit()
    return Update(project, said(project.update()), [*lines, f"{old}  # ours"])


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


def relative_imports(file: Path) -> list[str]:
    """The lines that import from the package. A file of the library has none of them."""
    return [line for line in file.read_text().splitlines() if line.startswith("from .")]


# Since 2.0.0 these are the library's own. Without an entry, an update from 2.0.0 needs no --trust.
LIBRARY = "packages/alembic-live/"


@pytest.mark.full
def test_every_file_that_went_away_has_a_place_in_the_table(releases: Releases) -> None:
    for answers in (ANSWERS["defaults"], ANSWERS["as long as can be"]):
        now = releases.made(**answers)
        text = TABLE.replace("{{ package_name }}", now.package)
        moves = {Version(since): places for since, places in yaml.safe_load(text).items()}
        for version in RELEASES:
            gone = releases.made(version, **answers).files().keys() - now.files().keys()
            gone = {name for name in gone if not name.startswith(LIBRARY)}
            for since in moves:
                if since > Version(version):  # else an update from there carries nothing
                    gone -= moves[since].keys()
            assert not gone, f"{version} has {gone}: say in updates/moves.yml where they went"
        for place in (place for places in moves.values() for place in places.values() if place):
            assert (now.path / place).exists(), f"{place} in updates/moves.yml is not there"
            assert (now.path / place).is_dir() == place.endswith("/")


def test_an_update_to_the_newest_moves_carries_them(releases: Releases) -> None:
    for migration in yaml.safe_load((ROOT / "copier.yml").read_text())["_migrations"]:
        assert migration["version"] == max(MOVES, key=Version)
    for version, revision in RELEASES.items():
        show = ("git", "show", f"{revision}:updates/moves.yml")
        then = run(*show, cwd=releases.repository, ok=False)
        if then.returncode == 0 and yaml.safe_load(then.stdout).keys() != MOVES.keys():
            assert max(MOVES, key=Version) not in yaml.safe_load(then.stdout), version


def test_changes_go_along_with_a_file_that_moved(updated: Update) -> None:
    for old, new in MOVED.items():
        text = (updated.project.library / new).read_text()
        [first, last] = [line for line in updated.lines if line.endswith(f" {Path(old).stem}")]
        assert first in text
        assert last in text
        assert f"alembic_live/{new}, from src/my_service/{old}\n" in updated.said
        assert not (updated.project.source / old).exists()


def test_a_line_that_both_sides_changed_is_a_conflict_where_it_went(updated: Update) -> None:
    old, new = CONFLICT
    path = f"packages/alembic-live/src/alembic_live/{new}"
    unmerged = updated.project.conflicts()
    assert {path for path, state in unmerged.items() if state == "UU"} == {path}
    assert f"Settle it in:\n  {path}, from src/my_service/{old}\n" in updated.said
    text = updated.project.read(path)
    before, _, rest = text.partition("<<<<<<< before updating\n")
    theirs, _, after = rest.partition("=======\n")
    assert f"{updated.lines[-1]}\n" in theirs
    assert "from alembic_live" in f"{before}{after}"
    assert ">>>>>>> after updating\n" in after
    commit = run("git", "commit", "--message=no", cwd=updated.project.path, ok=False)
    assert commit.returncode != 0


def test_a_change_without_a_place_stays_in_the_old_file_as_a_conflict(updated: Update) -> None:
    kept = {f"src/my_service/{name}" for name in KEPT}
    unmerged = updated.project.conflicts()
    assert {path for path, state in unmerged.items() if state == "UD"} == kept
    assert updated.project.git("status").count("deleted by them") == len(KEPT)
    for path in kept:
        assert updated.project.read(path) == updated.project.git("show", f"HEAD:{path}")
        assert f"\n  {path}" in updated.said


@pytest.mark.full
def test_the_library_stays_whole_though_the_team_had_deleted_a_part(updated: Update) -> None:
    assert (updated.project.library / "commands" / "doctor.py").exists()
    assert not (updated.project.migrate / "commands" / "doctor.py").exists()


def test_a_change_goes_to_the_part_of_a_split_file_that_its_lines_went_to(
    releases: Releases, tmp_path: Path
) -> None:
    project = releases.made(SPLIT).copy(tmp_path / "my-service")
    lines = add_lines([project.migrate / "autogenerate.py"])
    now = releases.made().library / "operations"
    old = (project.migrate / "operations.py").read_text().splitlines(keepends=True)
    place = unchanged_lines(old, [path.read_text() for path in now.glob("*.py")])
    old.insert(place, "# The team's, in what was split\n")
    project.write("src/my_service/migrate/operations.py", "".join(old))
    project.commit()
    done = project.update()
    [part] = [
        path
        for path in (project.library / "operations").glob("*.py")
        if "# The team's" in path.read_text()
    ]
    assert f"operations/{part.name}, from src/my_service/migrate/operations.py" in said(done)
    assert not (project.migrate / "operations.py").exists()

    kept = "src/my_service/migrate/autogenerate.py"
    assert project.conflicts() == {kept: "UD"}
    assert set(lines) <= set(project.read(kept).splitlines())
    assert f"{kept}, now in packages/alembic-live/src/alembic_live/autogenerate/" in said(done)


def unchanged_lines(old: list[str], parts: list[str]) -> int:
    """The middle of six lines that stand in exactly one part of a file that was split."""
    for start in range(len(old) - 6):
        block = "".join(old[start : start + 6])
        if [part.count(block) for part in parts].count(1) == 1 and sum(
            part.count(block) for part in parts
        ) == 1:
            return start + 3
    raise AssertionError("no six lines of the file are left")


@pytest.mark.full
def test_a_moved_file_that_nobody_changed_is_as_a_new_project_has_it(
    releases: Releases, project: Updatable
) -> None:
    done = project.update()
    assert ":\n  " not in said(done), "a list of files that is not about anything"
    assert project.conflicts() == {}
    assert project.files() == releases.made().files()


@pytest.mark.full
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


@pytest.mark.full
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
    lines = add_lines([part.migrate / "advisory_lock.py", part.source / "paths.py"])
    whole.commit()
    part.update()
    moved = (part.library / "runtime" / "lock.py").read_text().splitlines()
    kept = (part.source / "paths.py").read_text().splitlines()
    assert set(lines) <= {*moved, *kept}
    assert whole.conflicts() == {"services/orders/src/my_service/paths.py": "UD"}


@pytest.mark.full
def test_without_trust_the_update_says_what_it_needs_and_changes_nothing(
    project: Updatable,
) -> None:
    add_lines([project.source / name for name in MOVED])
    project.commit()
    done = project.update(trust=False, ok=False)
    assert done.returncode != 0
    assert "migrations" in said(done)
    assert "--trust" in said(done)
    assert project.git("status", "--porcelain") == ""


@pytest.mark.full
def test_an_update_past_which_nothing_moved_needs_no_trust(
    releases: Releases, tmp_path: Path
) -> None:
    fork = releases.fork(tmp_path)
    project = fork.made()
    with (fork.repository / "template" / "alembic.ini.jinja").open("a") as file:
        file.write("# later\n")
    fork.release("999.1.0")
    project.update("999.1.0", trust=False)
    assert project.git("diff", "--name-only").split() == [".copier-answers.yml", "alembic.ini"]
