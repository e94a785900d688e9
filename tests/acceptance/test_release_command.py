"""`tools/release.py` releases what is ready, and leaves the repository alone where it is not."""

import shutil
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.version import Version
from project import ROOT, Finished, commit, run, said
from releases import RELEASES

NEWEST = Version([*RELEASES][-1])
MOVED = max(map(Version, yaml.safe_load((ROOT / "updates" / "moves.yml").read_text())))
NEXT = str(MOVED) if MOVED > NEWEST else f"{NEWEST.major}.{NEWEST.minor + 1}.0"

USED = ("CHANGELOG.md", "copier.yml", "tests/releases.toml", "tools", "updates")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the working tree's files that a release needs, and a change to release."""
    path = tmp_path / "copier-alembic"
    for name in USED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, path / name)
    (path / ".gitignore").write_text("__pycache__/\n")
    write_changes(path, "### Added\n\n- A thing.\n")
    commit(path)
    return path


def write_changes(repository: Path, changes: str) -> None:
    """Write what the next release changes."""
    changelog = repository / "CHANGELOG.md"
    before, rest = changelog.read_text().split("## [Unreleased]\n")
    after = rest[rest.index("\n## [") :]
    changelog.write_text(f"{before}## [Unreleased]\n\n{changes}{after}")


def release(repository: Path, version: str, *, ok: bool = True) -> Finished:
    """The command."""
    person = {"GIT_AUTHOR_NAME": "T", "GIT_AUTHOR_EMAIL": "t@example.com"}
    person |= {"GIT_COMMITTER_NAME": "T", "GIT_COMMITTER_EMAIL": "t@example.com"}
    command = (sys.executable, "tools/release.py", version)
    done = run(*command, cwd=repository, ok=ok, environment=person)
    assert "Traceback" not in said(done), said(done)
    return done


def git(repository: Path, *arguments: str) -> str:
    """What a git command prints."""
    return run("git", *arguments, cwd=repository).stdout.strip()


def test_one_command_checks_records_and_tags(repository: Path) -> None:
    done = release(repository, NEXT)
    assert f"git push --atomic origin main v{NEXT}" in done.stdout
    assert git(repository, "status", "--porcelain") == ""
    subjects = git(repository, "log", "--format=%s").splitlines()
    assert subjects[:2] == [f"Record release {NEXT}", f"Release {NEXT}"]
    released = git(repository, "rev-parse", "HEAD~1")
    assert git(repository, "rev-parse", f"v{NEXT}") == released
    [*earlier, last] = tomllib.loads((repository / "tests/releases.toml").read_text())["release"]
    assert last == {"version": NEXT, "commit": released}
    assert {release["version"]: release["commit"] for release in earlier} == RELEASES
    changelog = git(repository, "show", f"v{NEXT}:CHANGELOG.md")
    _, after = changelog.split("## [Unreleased]\n\n")
    assert after.startswith(f"## [{NEXT}] - 20")
    assert after.split("\n", 2)[2].startswith("### Added\n\n- A thing.\n")


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("1.0", "three numbers"),
        ("v9.0.0", "three numbers"),
        ("0.1.0", "choose a greater version"),
        (str(NEWEST), "choose a greater version"),
    ],
)
def test_a_wrong_version_is_told_what_to_be(repository: Path, version: str, sentence: str) -> None:
    assert_refused(repository, version, sentence)


def test_work_that_is_not_committed_is_not_released(repository: Path) -> None:
    (repository / "idea.txt").write_text("mine\n")
    assert_refused(repository, NEXT, "commit it")


def test_no_change_is_no_release(repository: Path) -> None:
    write_changes(repository, "")
    commit(repository)
    assert_refused(repository, NEXT, "nothing under [Unreleased]")


def test_files_move_in_the_release_that_the_table_names(repository: Path) -> None:
    moves = repository / "updates" / "moves.yml"
    moves.write_text(f"{moves.read_text()}\n98.0.0:\n  old.txt: new.txt\n")
    commit(repository)
    assert_refused(repository, NEXT, "files move in 98.0.0")


def test_a_tag_that_is_taken_is_left_alone(repository: Path) -> None:
    git(repository, "tag", f"v{NEXT}")
    assert_refused(repository, NEXT, "choose another version")


def test_a_release_that_fails_leaves_nothing_behind(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "commit-msg"
    hook.write_text('#!/bin/sh\n! grep --quiet Record "$1"\n')
    hook.chmod(0o755)
    before = git(repository, "rev-parse", "HEAD")
    done = release(repository, NEXT, ok=False)
    assert done.returncode != 0
    assert "`git commit` failed" in said(done)
    assert git(repository, "rev-parse", "HEAD") == before
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "tag") == ""


def assert_refused(repository: Path, version: str, sentence: str) -> None:
    """It says why, and changes nothing."""
    before = git(repository, "rev-parse", "HEAD"), git(repository, "status", "--porcelain")
    tags = git(repository, "tag")
    done = release(repository, version, ok=False)
    assert done.returncode != 0
    assert sentence in said(done)
    now = git(repository, "rev-parse", "HEAD"), git(repository, "status", "--porcelain")
    assert now == before
    assert git(repository, "tag") == tags
