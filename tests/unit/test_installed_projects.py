"""A project that is installed finds its alembic.ini without a path."""

import sys
from pathlib import Path

import pytest
from alembic_live import ConfigurationError, Project
from alembic_live.commands.main import run
from sqlalchemy import MetaData


def install(folder: Path, package: str, ini: str | None = None) -> Path:
    """A package in a folder of installed packages, with its entry point. Returns its alembic.ini."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").touch()
    info = folder / f"{package}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[alembic_live]\nproject = {package}.tables:project\n")
    path = folder / package / "alembic.ini"
    path.write_text(f"[alembic_live]\nproject = {ini or package}.tables:project\n")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site-packages"
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALEMBIC_CONFIG", raising=False)
    return folder


def test_a_project_finds_the_alembic_ini_of_its_package(folder: Path) -> None:
    path = install(folder, "bakery")
    assert Project(metadata=MetaData(), models="bakery.tables").config_file == path


def test_the_alembic_ini_of_another_project_is_not_taken(folder: Path) -> None:
    install(folder, "brewery", ini="bakery")
    project = Project(metadata=MetaData(), models="brewery.tables")
    with pytest.raises(ConfigurationError, match=r"no alembic\.ini in the package brewery"):
        assert project.config_file


def test_several_installed_services_are_listed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [install(folder, name) for name in ("dairy", "orchard")]
    assert run(["status"]) == 1
    said = capsys.readouterr().err
    for path in paths:
        assert f"db -c {path} …" in said
