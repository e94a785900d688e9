"""The oldest Copier that the template accepts does what the newest does, and older ones are refused."""

import filecmp
from pathlib import Path

import pytest
import yaml
from campaigns import campaign
from project import ROOT, Finished, run, said
from releases import RELEASES, Releases
from rendered import Render

OLDEST = yaml.safe_load((ROOT / "copier.yml").read_text())["_min_copier_version"]


def copier(version: str, *arguments: str | Path, cwd: Path, ok: bool = True) -> Finished:
    """A command of one version of Copier."""
    program = ("uvx", "--quiet", "--from", f"copier=={version}", "copier")
    return run(*program, *arguments, cwd=cwd, ok=ok)


def test_the_oldest_copier_renders_the_same(
    rendered: Render, template: Path, tmp_path: Path
) -> None:
    project = tmp_path / "my-service"
    copier(OLDEST, "copy", "--defaults", "--quiet", template, project, cwd=tmp_path)
    newest = rendered().path
    assert files(project) == files(newest)
    _, different, unreadable = filecmp.cmpfiles(project, newest, files(newest), shallow=False)
    assert (different, unreadable) == ([], [])


@pytest.mark.full
def test_the_oldest_copier_updates_to_the_same(releases: Releases, tmp_path: Path) -> None:
    project = releases.made(next(iter(RELEASES))).copy(tmp_path / "my-service")
    project.edit("src/my_service/migrate/status.py", "", "\n# ours\n")
    project.commit()
    copier(OLDEST, "update", "--defaults", "--quiet", "--trust", cwd=project.path)
    moved = project.library / "commands" / "status.py"
    assert moved.read_text().endswith("\n# ours\n")
    moved.write_text(moved.read_text().removesuffix("\n# ours\n"))
    assert project.files() == releases.made().files()


@pytest.mark.full
def test_the_oldest_copier_keeps_both_sides_of_a_conflict(
    releases: Releases, tmp_path: Path
) -> None:
    """Where git ignores *.rej, Copier 9.15.0 and 9.15.1 drop the team's side without a word."""
    fork = releases.fork(tmp_path / "fork")
    template = fork.repository / "template" / "alembic.ini.jinja"
    template.write_text(template.read_text().replace("timezone = UTC", "timezone = Asia/Tokyo"))
    fork.release("999.1.0")
    project = fork.made().copy(tmp_path / "my-service")
    ini = project.path / "alembic.ini"
    ini.write_text(ini.read_text().replace("timezone = UTC", "timezone = Europe/Berlin"))
    ignored = project.path / ".gitignore"
    ignored.write_text(f"{ignored.read_text()}*.rej\n")
    project.commit()
    copier(OLDEST, "update", "--defaults", "--quiet", cwd=project.path)
    assert project.conflicts() == {"alembic.ini": "UU"}
    assert "timezone = Europe/Berlin\n=======\ntimezone = Asia/Tokyo\n" in ini.read_text()


@campaign("version", ["9.10.3", "9.15.1"], keep=["9.15.1"])
def test_an_older_copier_is_told_what_it_takes(
    releases: Releases, template: Path, tmp_path: Path, version: str
) -> None:
    project = releases.made(next(reversed(RELEASES))).copy(tmp_path / "my-service")
    commands = {
        ("copy", "--defaults", template, tmp_path / "other"): tmp_path,
        ("update", "--defaults"): project.path,
    }
    for command, folder in commands.items():
        done = copier(version, *command, cwd=folder, ok=False)
        assert done.returncode != 0
        assert f"requires Copier version >= {OLDEST}" in said(done), said(done)
        assert "Traceback" not in said(done)
    assert not (tmp_path / "other").exists()
    assert project.git("status", "--porcelain") == ""


def files(folder: Path) -> list[str]:
    """Every file in a folder, by its relative path."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
