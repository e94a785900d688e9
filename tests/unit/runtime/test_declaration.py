"""Under which conditions `db migrate` may decide by itself that nothing is to do."""

from pathlib import Path

import pytest
from alembic_live.errors import ConfigurationError
from alembic_live.plain_settings import UnsureError
from alembic_live.runtime import fast_path
from alembic_live.runtime.declaration import Declaration
from alembic_live.runtime.fast_path import is_at_head

INI = """\
[alembic]
script_location = %(here)s/migrations
prepend_sys_path = %(here)s/src
path_separator = os
sqlalchemy.url = postgresql+%(DB_DRIVER)s://%(DB_USER)s:%(DB_PASSWORD)s@%(DB_HOST)s:%(DB_PORT)s/%(DB_NAME)s%(DB_QUERY)s
file_template = %%(rev)s_%%(slug)s
timezone = UTC

[alembic_live]
project = my_service.database:project
env_file = %(here)s/.env
"""


@pytest.fixture
def ini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An alembic.ini in the current folder."""
    monkeypatch.delenv("ALEMBIC_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "alembic.ini"
    path.write_text(INI)
    return path


def changed(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_what_the_template_writes_is_understood(ini: Path) -> None:
    folder = ini.parent
    (folder / "pyproject.toml").write_text(
        '[project]\ndependencies = ["alembic-live>=2"]\n[tool.uv.sources]\nalembic-live = {}\n'
    )
    versions, env_file = folder / "migrations" / "versions", folder / ".env"
    assert Declaration.read(ini) == Declaration(versions, env_file, "alembic_version", "", "")
    changed(ini, "env_file", "version_table_schema = sales\nversion_table = v\nenv_file")
    changed(ini, "env_file", "default_schema = public\nenv_file")
    assert Declaration.read(ini) == Declaration(versions, env_file, "v", "sales", "public")


ELSEWHERE = {
    "no env_file": ("env_file = %(here)s/.env\n", ""),
    "an empty env_file": ("= %(here)s/.env", "="),
    "no section": ("[alembic_live]", "[other]"),
    "other locations": ("[alembic]\n", "[alembic]\nversion_locations = %(here)s/versions\n"),
    "with a colon": ("[alembic]\n", "[alembic]\nsourceless: true\n"),
    "in capitals": ("[alembic]\n", "[alembic]\nRecursive_Version_Locations = true\n"),
    "another location": ("/migrations", "/elsewhere"),
    "no location": ("script_location", "# script_location"),
    "another URL": ("/%(DB_NAME)s", "/other"),
    "no URL": ("sqlalchemy.url", "# sqlalchemy.url"),
    "a default": ("[alembic]\n", "[DEFAULT]\nsourceless = true\n[alembic]\n"),
    "another folder": ("[alembic]\n", "[DEFAULT]\nhere = /\n[alembic]\n"),
    "another folder for Alembic": ("[alembic]\n", "[alembic]\nhere = /\n"),
    "an unknown option": ("[alembic]\n", "[alembic]\nnew = 1\n"),
}


@pytest.mark.parametrize(("old", "new"), ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_what_could_lead_elsewhere_switches_it_off(ini: Path, old: str, new: str) -> None:
    changed(ini, old, new)
    with pytest.raises((UnsureError, KeyError)):
        Declaration.read(ini)


@pytest.mark.parametrize(
    "text", ["[tool.alembic]\n", "tool.alembic.x = 1\n", "[tool]\n'alembic' = {}\n"]
)
@pytest.mark.parametrize("where", ["beside alembic.ini", "in the current folder"])
def test_settings_in_pyproject_switch_it_off(
    ini: Path, text: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ini.parent
    if where == "in the current folder":
        folder = ini.parent / "inside"
        folder.mkdir()
        monkeypatch.chdir(folder)
    (folder / "pyproject.toml").write_text("# alembic\n")
    Declaration.read(ini)
    (folder / "pyproject.toml").write_text(text)
    with pytest.raises(UnsureError):
        Declaration.read(ini)


def test_another_configuration_switches_it_off(ini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEMBIC_CONFIG", str(ini))
    with pytest.raises(UnsureError):
        Declaration.read(ini)


def test_a_file_that_cannot_be_read_switches_it_off(ini: Path) -> None:
    ini.write_text("no section\n")
    with pytest.raises(ConfigurationError):
        Declaration.read(ini)
    ini.unlink()
    with pytest.raises(ConfigurationError):
        Declaration.read(ini)


HISTORIES: dict[str, tuple[dict[str, object], list[object], bool]] = {
    "at the head": ({"a": None, "b": "a"}, ["b"], True),
    "behind": ({"a": None, "b": "a"}, ["a"], False),
    "nothing applied": ({"a": None}, [], False),
    "ahead": ({"a": None}, ["z"], False),
    "no value": ({"a": None}, [None], False),
    "two revisions in the database": ({"a": None, "b": "a"}, ["b", "a"], False),
    "merged": ({"a": None, "b": None, "c": ("a", "b")}, ["c"], True),
    "two heads": ({"a": None, "b": None}, ["a", "b"], False),
    "no revision": ({}, [], False),
    "a missing one": ({"b": "a"}, ["b"], False),
    "one that is computed": ({"a": None, "b": 1}, ["a"], False),
}


@pytest.mark.parametrize(("files", "rows", "expected"), HISTORIES.values(), ids=HISTORIES.keys())
def test_nothing_is_to_do_if_the_database_is_at_the_one_head(
    ini: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, object],
    rows: list[object],
    expected: bool,
) -> None:
    versions = ini.parent / "migrations" / "versions"
    versions.mkdir(parents=True)
    for name, follows in files.items():
        (versions / f"{name}.py").write_text(f"revision = {name!r}\ndown_revision = {follows!r}\n")
    for name in ("DB_HOST", "DB_USER", "DB_PASSWORD", "DB_NAME"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("DB_PORT", "1")
    asked = []

    def answer(_address: object, query: str) -> list[object]:
        asked.append(query)
        return rows

    monkeypatch.setattr(fast_path, "_rows", answer)
    assert is_at_head(ini) is expected
    if asked:
        assert asked == [fast_path.QUERY.format(table='"alembic_version"')]


def test_two_files_with_one_id_are_not_decided_on(ini: Path) -> None:
    versions = ini.parent / "migrations" / "versions"
    versions.mkdir(parents=True)
    for name in ("one", "two"):
        (versions / f"{name}.py").write_text("revision = 'a'\ndown_revision = None\n")
    assert not is_at_head(ini)
