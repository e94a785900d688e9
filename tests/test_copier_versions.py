"""The oldest Copier that the template accepts renders what the newest renders."""

import filecmp
from pathlib import Path

import yaml
from conftest import Render
from project import ROOT, Finished, run, said
from releases import RELEASES, Releases

OLDEST = yaml.safe_load((ROOT / "copier.yml").read_text())["_min_copier_version"]


def copy_with(version: str, template: Path, to: Path, *, ok: bool = True) -> Finished:
    """`copier copy`, with one version of Copier."""
    return run(
        "uvx", "--quiet", "--from", f"copier=={version}",
        "copier", "copy", "--defaults", "--quiet", template, to,
        cwd=to.parent,
        ok=ok,
    )  # fmt: skip


def test_the_oldest_copier_renders_the_same(
    rendered: Render, template: Path, tmp_path: Path
) -> None:
    project = tmp_path / "my-service"
    copy_with(OLDEST, template, project)
    newest = rendered().path
    assert files(project) == files(newest)
    _, different, unreadable = filecmp.cmpfiles(project, newest, files(newest), shallow=False)
    assert (different, unreadable) == ([], [])


def test_the_oldest_copier_updates_to_the_same(releases: Releases, tmp_path: Path) -> None:
    project = releases.made(next(iter(RELEASES))).copy(tmp_path / "my-service")
    status = project.migrate / "status.py"
    status.write_text(f"{status.read_text()}\n# ours\n")
    project.commit()
    run(
        "uvx", "--quiet", "--from", f"copier=={OLDEST}",
        "copier", "update", "--defaults", "--quiet", "--trust",
        cwd=project.path,
    )  # fmt: skip
    moved = project.migrate / "commands" / "status.py"
    assert moved.read_text().endswith("\n# ours\n")
    moved.write_text(moved.read_text().removesuffix("\n# ours\n"))
    assert project.files() == releases.made().files()


def test_an_older_copier_is_told_what_it_takes(template: Path, tmp_path: Path) -> None:
    done = copy_with("9.10.3", template, tmp_path / "my-service", ok=False)
    assert done.returncode != 0
    assert OLDEST in said(done), said(done)
    assert not (tmp_path / "my-service").exists()


def files(folder: Path) -> list[str]:
    """Every file in a folder, by its relative path."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
