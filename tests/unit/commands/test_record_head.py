"""The hook of `alembic revision`: it writes head.txt without the service, because each revision waits."""

from pathlib import Path

import pytest
from alembic_live.commands.main import run

REVISION = 'revision = "{name}"\ndown_revision = {before!r}\n'


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history of two revisions, of a service that cannot be imported."""
    (tmp_path / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/migrations\n[alembic_live]\nproject = absent:project\n"
    )
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    for name, before in (("a", None), ("b", "a")):
        (versions / f"{name}.py").write_text(REVISION.format(name=name, before=before))
    (versions.parent / "head.txt").write_text("a\n")
    monkeypatch.chdir(tmp_path)
    return versions


def test_it_records_the_head(versions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["record_head", str(versions / "b.py")]) == 0
    assert (versions.parent / "head.txt").read_text() == "b\n"
    assert capsys.readouterr().err == "migrations/head.txt: b\n"


@pytest.mark.parametrize(
    "setting", ["version_locations = %(here)s/other", "recursive_version_locations = true"]
)
def test_other_folders_are_left_to_alembic(
    versions: Path, setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ini = Path("alembic.ini")
    ini.write_text(ini.read_text().replace("[alembic]\n", f"[alembic]\n{setting}\n"))
    assert run(["record_head", str(versions / "b.py")]) == 1
    assert "absent" in capsys.readouterr().err
    assert (versions.parent / "head.txt").read_text() == "a\n"
