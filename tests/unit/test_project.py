"""`Project`: what it takes, and how a command finds it by an alembic.ini."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from alembic_live import (
    Address,
    ConfigurationError,
    DatabaseSettings,
    Limits,
    Project,
    load_project,
)
from alembic_live.alembic_ini import find_config_file
from alembic_live.history.locations import folders_of
from sqlalchemy import URL, Column, ForeignKey, Integer, MetaData, Table, create_engine

SETTINGS = {"DB_HOST": "h", "DB_PORT": 1, "DB_USER": "u", "DB_PASSWORD": "p", "DB_NAME": "n"}
EXPECTED = Address("h", 1, "u", "p", "n")
TEXT = "postgresql+asyncpg://u:p@h:1/n"

MODULE = """
from alembic_live import Project
from sqlalchemy import MetaData

project = Project(metadata=MetaData(), url="postgresql+asyncpg://u:p@h:1/n")
other = 7
"""

_numbers = count()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a project; what it adds to the search path is removed."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def written(folder: Path, *lines: str, source: str = MODULE, at: str = ".") -> Path:
    """An alembic.ini with these lines and a module of a name that is free. Returns the file."""
    name = f"module_of_a_test_{next(_numbers)}"
    (folder / at).mkdir(exist_ok=True)
    (folder / at / f"{name}.py").write_text(source)
    ini = folder / "alembic.ini"
    ini.write_text("\n".join(lines).replace("MODULE", name))
    return ini


FOUND = ("[alembic]", "[alembic_live]", "project = MODULE:project")


def place(project: Project) -> Address:
    """The address for migrations, without where it is given."""
    return replace(project.migration_address, origin="")


# The object


@pytest.mark.parametrize(
    "project",
    [
        Project(metadata=MetaData(), settings=DatabaseSettings.load(**SETTINGS)),
        Project(metadata=MetaData(), url=TEXT),
        Project(metadata=MetaData(), url=URL.create("postgresql+asyncpg", "u", "p", "h", 1, "n")),
        Project(metadata=MetaData(), url=lambda: TEXT),
        Project(metadata=MetaData(), engine=lambda: create_engine(TEXT)),
    ],
    ids=["settings", "a text", "a URL", "a function", "an engine"],
)
def test_the_database_is_whichever_is_given(project: Project) -> None:
    assert place(project) == EXPECTED
    assert replace(project.application_address, origin="") == EXPECTED
    assert project.url_options()["DB_HOST"] == "h"


def test_without_any_the_url_is_alembic_ini_s(folder: Path) -> None:
    (folder / "alembic.ini").write_text(
        "[alembic]\nsqlalchemy.url = postgresql+asyncpg://u:p@h:1/n\n"
    )
    assert place(Project(metadata=MetaData()).located(folder / "alembic.ini")) == EXPECTED


@pytest.mark.parametrize("line", ["", "sqlalchemy.url =", "sqlalchemy.url = %(DB_HOST)s"])
def test_no_url_at_all_is_a_sentence(folder: Path, line: str) -> None:
    (folder / "alembic.ini").write_text(f"[alembic]\n{line}\n")
    project = Project(metadata=MetaData()).located(folder / "alembic.ini")
    with pytest.raises(
        ConfigurationError, match="give Project\\(\\) the settings, a url or an engine"
    ):
        _ = project.migration_address
    assert project.url_options() == {}


def test_it_takes_one_of_them() -> None:
    with pytest.raises(ConfigurationError, match="takes one of settings, url and engine"):
        Project(metadata=MetaData(), url=TEXT, settings=DatabaseSettings.load())


def test_the_limits_and_the_pooler_are_those_of_the_settings_or_its_own() -> None:
    settings = DatabaseSettings.load(DB_MIGRATION_LOCK_WAIT="9", DB_POOLER="session")
    both = DatabaseSettings.load(DB_POOLER="transaction", DB_MIGRATION_POOLER="session")
    two = Project(settings=both, metadata=MetaData())
    assert (two.pooler, two.migration_pooler) == ("transaction", "session")
    one = Project(settings=both, metadata=MetaData(), pooler="none")
    assert (one.pooler, one.migration_pooler) == ("none", "none")
    assert Project(metadata=MetaData(), settings=settings).limits == Limits(lock_wait=9)
    assert Project(metadata=MetaData(), settings=settings).pooler == "session"
    own = Project(metadata=MetaData(), settings=settings, limits=Limits(5), pooler="none")
    assert (own.limits, own.pooler) == (Limits(5), "none")
    assert Project(metadata=MetaData(), url=TEXT).limits == Limits()


def test_its_name_is_the_package_of_the_models() -> None:
    assert Project(metadata=MetaData(), models="shop.models").name == "shop"
    assert Project(metadata=MetaData(), models=("a.b", "c")).name == "a"
    assert Project(metadata=MetaData(), models="a", name="other").name == "other"
    assert Project(metadata=MetaData()).name == "alembic"


def test_one_metadata_or_several() -> None:
    one, other = MetaData(schema="sales"), MetaData()
    Table("child", one, Column("id", Integer))
    Table("another", other, Column("id", Integer))
    assert Project(metadata=one).metadatas == (one,)
    both = Project(metadata=[one, other])
    assert both.metadatas == (one, other)
    assert both.schema == "sales"
    assert [table.name for table in both.tables] == ["child", "another"]


@pytest.mark.filterwarnings("error")
def test_tables_come_in_the_order_of_their_references_also_in_a_cycle() -> None:
    metadata = MetaData()
    for name, other in {"eggs": "hens", "hens": "eggs", "a": "b", "b": None}.items():
        keys = [ForeignKey(f"{other}.id", name=f"fk_{name}")] if other else []
        Table(name, metadata, Column("id", Integer, *keys, primary_key=True))
    project = Project(url="postgresql://localhost/shop", metadata=metadata)
    names = [table.name for table in project.tables]
    assert sorted(names) == ["a", "b", "eggs", "hens"]
    assert names.index("b") < names.index("a")


def test_it_shows_no_secret() -> None:
    assert (
        repr(Project(metadata=MetaData(), url="postgresql://u:hunter2@h/n", name="x"))
        == "<Project x>"
    )


def test_without_an_alembic_ini_the_files_are_not_known() -> None:
    with pytest.raises(ConfigurationError, match=r"has no alembic\.ini yet"):
        _ = Project(metadata=MetaData()).folder


def test_the_files_of_a_project(folder: Path) -> None:
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (folder / "migrations" / "versions").mkdir(parents=True)
    project = Project(metadata=MetaData()).located(folder / "alembic.ini")
    assert project.folder == folder
    assert project.versions == folder / "migrations" / "versions"
    assert project.head_file == folder / "migrations" / "head.txt"
    assert project.relative(project.head_file) == "migrations/head.txt"
    assert project.relative(Path("/elsewhere/x")) == "/elsewhere/x"


# How it is found


def test_a_project_is_found_by_its_alembic_ini(folder: Path) -> None:
    project = load_project(written(folder, *FOUND))
    assert place(project) == EXPECTED
    assert project.folder == folder


@pytest.mark.parametrize(
    "line",
    [
        "prepend_sys_path = %(here)s/src",
        "prepend_sys_path = src",
        "prepend_sys_path = . src",
        "prepend_sys_path = lib:src\npath_separator = os",
    ],
)
def test_it_is_looked_for_where_alembic_looks(folder: Path, line: str) -> None:
    ini = written(folder, "[alembic]", line, *FOUND[1:], at="src")
    assert place(load_project(ini)) == EXPECTED


@pytest.mark.parametrize("toml", [False, True])
def test_relative_folders_of_revisions_are_found_from_elsewhere(
    folder: Path, toml: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alembic looks in the current folder only; `alembic init` wrote such paths for years."""
    locations = "script_location = db", "version_locations = db/one%%:db/two", "path_separator = os"
    ini = written(folder, "[alembic]", *(() if toml else locations), *FOUND[1:])
    if toml:
        (folder / "pyproject.toml").write_text(
            "[tool.alembic]\nscript_location = 'db'\nversion_locations = ['db/one%%', 'db/two']"
        )
    for each in ("db/one%", "db/two", "elsewhere/db"):
        (folder / each).mkdir(parents=True)
    (folder / "db" / "env.py").touch()
    monkeypatch.chdir(folder / "elsewhere")  # its `db` has no env.py
    script = load_project(ini).script
    assert Path(script.dir) == folder / "db"
    assert folders_of(script) == [folder / "db" / "one%", folder / "db" / "two"]


REFUSED = {
    "no section": (("[alembic]",), "does not name the project. Add to it:\n\n[alembic_live]"),
    "no value": (("[alembic_live]", "project ="), "does not name the project"),
    "no attribute": (("[alembic_live]", "project = MODULE"), "does not name the project"),
    "no module": (
        ("[alembic_live]", "project = nowhere_at_all.database:project"),
        "there is no module nowhere_at_all. Install the service",
    ),
    "no such attribute": (("[alembic_live]", "project = MODULE:nothing"), "has no nothing"),
    "something else": (
        ("[alembic_live]", "project = MODULE:other"),
        "which is a int and no alembic_live.Project",
    ),
    "no ini": (("hunter2",), "alembic.ini cannot be read: line 1 is neither a [section]"),
    "a lost line": (("[a]", "hunter2"), "alembic.ini cannot be read: line 2 is neither"),
    "a section twice": (("[a]", "[a]"), "alembic.ini cannot be read: line 2 repeats a section"),
    "a name twice": (("[a]", "b = hunter2", "b = 1"), "cannot be read: line 3 repeats"),
}


@pytest.mark.parametrize(("lines", "words"), REFUSED.values(), ids=REFUSED)
def test_one_that_is_not_there_is_a_sentence(
    folder: Path, lines: tuple[str, ...], words: str
) -> None:
    ini = written(folder, *lines)
    with pytest.raises(ConfigurationError) as refused:
        load_project(ini)
    assert words in str(refused.value)
    assert str(ini) in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_file_that_is_not_there_is_a_sentence(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no file .*nothing\.ini"):
        load_project(folder / "nothing.ini")


def test_a_file_in_another_encoding_is_a_sentence(folder: Path) -> None:
    (folder / "alembic.ini").write_bytes(b"[alembic]\nx = \xff\n")
    with pytest.raises(ConfigurationError, match="cannot be read: it is not UTF-8"):
        load_project(folder / "alembic.ini")


def test_a_bug_in_the_module_is_not_hidden(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        load_project(written(folder, *FOUND, source="1 / 0\n"))
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        load_project(written(folder, *FOUND, source="import nowhere_at_all\n"))


def test_the_nearest_alembic_ini_is_found_upwards(folder: Path) -> None:
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    assert find_config_file(deep) is None or not find_config_file(deep).is_relative_to(folder)  # type: ignore[union-attr]
    (folder / "alembic.ini").write_text("")
    assert find_config_file(deep) == folder / "alembic.ini"
    (folder / "a" / "alembic.ini").write_text("")
    assert find_config_file(deep) == folder / "a" / "alembic.ini"
