"""Where Alembic looks for the history elsewhere, what writes refuses with a sentence. Before, it took
applied revisions for lost ones.
"""

from collections.abc import Callable

import pytest
from campaigns import campaign
from conftest import Render
from project import Project, commit, run, said
from removals import STAMPED, TABLES, files, prepared, rev
from revisions import git, head, revision, write_revision
from server import Database

SETTING = "path_separator = os\n"


@pytest.fixture
def project(render: Render, database: Database) -> Project:
    """One with three revisions on a branch, all of them applied."""
    project = prepared(render())
    project.alembic("upgrade", "head")
    return project


def set_in_ini(project: Project, *lines: str) -> None:
    """Add settings to alembic.ini."""
    ini = project.path / "alembic.ini"
    ini.write_text(ini.read_text().replace(SETTING, "\n".join([SETTING.strip(), *lines, ""]), 1))


def move_newest(project: Project, folder: str) -> None:
    """Put the file of revision c into another folder."""
    path = project.path / folder
    path.mkdir(parents=True)
    revision(project, "c").rename(path / "c.py")


def recursive(project: Project) -> None:
    set_in_ini(project, "recursive_version_locations = true")
    move_newest(project, "migrations/versions/2026")


def second_folder(project: Project) -> None:
    more = "%(here)s/migrations/versions:%(here)s/more"
    set_in_ini(project, f"version_locations = {more}")
    move_newest(project, "more")


def old_separator(project: Project) -> None:
    more = "%(here)s/migrations/versions %(here)s/more"
    set_in_ini(project, f"version_locations = {more}", "version_path_separator = space")
    ini = project.path / "alembic.ini"
    ini.write_text(ini.read_text().replace(SETTING, ""))
    move_newest(project, "more")


def another_folder(project: Project) -> None:
    set_in_ini(project, "version_locations = %(here)s/all")
    (project.path / "migrations" / "versions").rename(project.path / "all")
    (project.path / "migrations" / "versions").mkdir()


def bases_apart(project: Project) -> None:
    """Two histories, each in its folder."""
    folders = "%(here)s/migrations/versions:%(here)s/other"
    set_in_ini(project, f"version_locations = {folders}")
    (project.path / "other").mkdir()
    project.alembic(
        "revision", "-m", "apart", "--head=base", "--branch-label=apart", "--rev-id=0000apart",
        f"--version-path={project.path}/other",
    )  # fmt: skip
    project.alembic("upgrade", "heads")


def in_pyproject(project: Project) -> None:
    pyproject = project.path / "pyproject.toml"
    folders = '["%(here)s/migrations/versions", "%(here)s/more"]'
    pyproject.write_text(
        f"{pyproject.read_text()}\n[tool.alembic]\nversion_locations = {folders}\n"
    )
    move_newest(project, "more")


def sourceless(project: Project) -> None:
    set_in_ini(project, "sourceless = true")
    path = revision(project, "c")
    code = "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[1] + 'c')"
    project.run("python", "-c", code, str(path))
    path.unlink()


def script_location(project: Project) -> None:
    ini = project.path / "alembic.ini"
    ini.write_text(ini.read_text().replace("%(here)s/migrations", "%(here)s/alembic", 1))
    (project.path / "migrations").rename(project.path / "alembic")


def subfolders_by_date(project: Project) -> None:
    ini = project.path / "alembic.ini"
    ini.write_text(ini.read_text().replace("file_template = ", "file_template = %%(year)d/"))
    set_in_ini(project, "recursive_version_locations = true")


def linked(project: Project) -> None:
    versions = project.path / "migrations" / "versions"
    versions.rename(project.path / "elsewhere")
    versions.symlink_to(project.path / "elsewhere")


LOCATIONS = {
    recursive: "alembic.ini sets recursive_version_locations",
    second_folder: "alembic.ini sets version_locations",
    old_separator: "alembic.ini sets version_locations",
    another_folder: "alembic.ini sets version_locations",
    bases_apart: "alembic.ini sets version_locations",
    in_pyproject: "pyproject.toml sets version_locations",
    sourceless: "alembic.ini sets sourceless",
    script_location: "alembic.ini sets script_location",
    subfolders_by_date: "alembic.ini sets recursive_version_locations",
    linked: "migrations/versions is a symbolic link",
}
# What works instead is said, too.
COMMANDS = {
    "remove {c} --yes": "uv run alembic downgrade",
    "remove {c} --offline --yes": "uv run alembic downgrade",
    "rebase --applied": "uv run alembic merge heads",
    "squash --yes": "keep the history",
    "baseline --yes": "uv run alembic stamp head",
    "record_head": "delete migrations/head.txt",
}


def everything(project: Project) -> dict[str, bytes]:
    """All files that git would keep, and what is in them."""
    listed = git(project, "ls-files", "--cached", "--others", "--exclude-standard").split()
    paths = [project.path / name for name in listed]
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


@campaign(
    ("move", "setting"),
    {move.__name__: (move, setting) for move, setting in LOCATIONS.items()},
    keep=["recursive", "second_folder", "in_pyproject", "sourceless", "linked"],
)
def test_files_elsewhere_are_named_and_nothing_is_touched(
    project: Project, database: Database, move: Callable[[Project], None], setting: str
) -> None:
    c = rev(project, "c")
    move(project)
    before, stamped = everything(project), database.query(STAMPED)
    for command, instead in COMMANDS.items():
        done = project.db(*command.format(c=c).split(), ok=False)
        text = " ".join(said(done).split())
        assert done.returncode == 1, text
        assert setting in text
        assert "works on the files of migrations/versions only" in text
        assert instead in text
        assert "Traceback" not in text
    assert everything(project) == before
    assert database.query(STAMPED) == stamped
    assert database.query(TABLES) == [("a",), ("b",), ("c",)]


def test_from_another_folder_the_settings_of_the_project_count(
    project: Project, tmp_path: object
) -> None:
    in_pyproject(project)
    done = project.db("record_head", ok=False, cwd=project.path.parent)
    assert "pyproject.toml sets version_locations" in said(done)


def test_another_ini_file_or_section_is_named(project: Project) -> None:
    other = project.path / "other.ini"
    other.write_text((project.path / "alembic.ini").read_text())
    text = said(project.db("-c", "other.ini", "record_head", ok=False))
    assert "names other.ini in place of alembic.ini" in text
    environment = project.environment | {"ALEMBIC_CONFIG": "other.ini"}
    assert "names other.ini" in said(project.given(**environment).db("record_head", ok=False))
    ini = project.path / "alembic.ini"
    ini.write_text(ini.read_text() + "\n[second]\nscript_location = %(here)s/migrations\n")
    assert "[second]" in said(project.db("-n", "second", "record_head", ok=False))


def usual_folder(project: Project) -> None:
    set_in_ini(project, "version_locations = %(here)s/migrations/versions")


def usual_folder_in_other_words(project: Project) -> None:
    set_in_ini(
        project, "version_locations = %(here)s/../%(dir)s/migrations/./versions", "dir = project0"
    )


def not_recursive(project: Project) -> None:
    set_in_ini(project, "recursive_version_locations = false")


def package(project: Project) -> None:
    (project.path / "migrations" / "versions" / "__init__.py").write_text("")


@campaign(
    "settings",
    [usual_folder, usual_folder_in_other_words, not_recursive, package],
    keep=[usual_folder_in_other_words, package],
)
def test_the_usual_place_in_other_words_is_no_hindrance(
    project: Project, database: Database, settings: Callable[[Project], None]
) -> None:
    settings(project)
    b = rev(project, "b")
    project.db("remove", rev(project, "c"), "--yes")
    assert database.query(STAMPED) == [(b,)]
    assert head(project) == b
    assert database.query(TABLES) == [("a",), ("b",)]


ENV = "version_table_schema=metadata.schema,"
OTHER_TABLES = {
    "version_table": 'version_table="my_versions", version_table_schema=metadata.schema,',
    "version_table_schema": 'version_table_schema="history",',
    # Online only, as in many a project of before.
    "online": '**({"version_table": "my_versions"} if connection else {}),',
    "by a variable": "version_table=TABLE,",
}


@pytest.fixture
def elsewhere(render: Render, database: Database, request: pytest.FixtureRequest) -> Project:
    """One whose version table is another, with all revisions applied."""
    project = render()
    env = project.path / "migrations" / "env.py"
    imports = 'from sqlalchemy import Connection\n\nTABLE = "_".join(["my", "versions"])'
    source = env.read_text().replace(ENV, OTHER_TABLES[request.param])
    env.write_text(source.replace("from sqlalchemy import Connection", imports))
    database.query("CREATE SCHEMA history")
    commit(project.path)
    git(project, "switch", "--quiet", "--create", "mine")
    for name in "abc":
        write_revision(project, name, f"CREATE TABLE {name} ()", f"DROP TABLE {name}")
    commit(project.path)
    project.alembic("upgrade", "head")
    return project


@campaign("elsewhere", [*OTHER_TABLES], keep=["version_table_schema", "online"], indirect=True)
def test_another_version_table_is_named_and_nothing_is_touched(
    elsewhere: Project, database: Database
) -> None:
    before = files(elsewhere)
    commands = {
        f"remove {rev(elsewhere, 'c')} --yes": "--offline",
        "remove gone --yes": "--offline",
        "squash --yes": "keep the history",
        "baseline --yes": "uv run alembic stamp head",
        "baseline --models": "sqlacodegen by itself",
        "schema": "pg_dump --schema-only",
        "drift": "",
    }
    for command, instead in commands.items():
        done = elsewhere.db(*command.split(), ok=False)
        text = " ".join(said(done).split())
        if command == "baseline --models" and "is not installed" in text:
            continue
        assert done.returncode == 1, text
        assert "migrations/env.py sets version_table or version_table_schema" in text
        assert instead in text
        assert "Traceback" not in text
    assert files(elsewhere) == before
    assert not (elsewhere.path / "schema.sql").exists()
    assert database.query(TABLES) == [("a",), ("b",), ("c",)]
    # What has nothing to do with the table works, and so does what is named instead.
    elsewhere.db("record_head")
    elsewhere.alembic("downgrade", "-1")
    elsewhere.db("remove", rev(elsewhere, "c"), "--offline")
    assert database.query(TABLES) == [("a",), ("b",)]
    assert elsewhere.alembic("current").stdout.endswith("(head)\n")


@pytest.mark.parametrize("elsewhere", ["version_table"], indirect=True)
def test_branches_are_put_in_line_without_the_table(elsewhere: Project) -> None:
    write_revision(
        elsewhere, "side", "SELECT 1", "SELECT 1", "--head", rev(elsewhere, "b"), "--splice"
    )
    side = rev(elsewhere, "side")
    text = said(elsewhere.db("rebase", "--onto", rev(elsewhere, "c"), ok=False))
    assert "uv run db rebase --applied" in text
    elsewhere.db("rebase", "--onto", rev(elsewhere, "c"), "--applied")
    assert head(elsewhere) == side


@pytest.mark.parametrize("elsewhere", ["version_table"], indirect=True)
def test_a_reset_makes_the_table_that_alembic_wants(elsewhere: Project, database: Database) -> None:
    elsewhere.db("reset", "--yes")
    assert database.query("SELECT version_num FROM my_versions") == [(rev(elsewhere, "c"),)]


def test_a_reset_applies_the_revisions_of_all_folders(project: Project, database: Database) -> None:
    second_folder(project)
    project.db("reset", "--yes")
    assert database.query(TABLES) == [("a",), ("b",), ("c",)]


def test_the_usual_schema_may_be_named(project: Project, database: Database) -> None:
    env = project.path / "migrations" / "env.py"
    env.write_text(env.read_text().replace(ENV, 'version_table_schema="public",'))
    b = rev(project, "b")
    project.db("remove", rev(project, "c"), "--yes")
    assert database.query(STAMPED) == [(b,)]


def test_an_environment_that_configures_nothing_is_said(project: Project) -> None:
    env = project.path / "migrations" / "env.py"
    env.write_text('"""Nothing."""\n')
    text = said(project.db("remove", rev(project, "c"), ok=False))
    assert "migrations/env.py ends without context.configure" in text
    run("git", "diff", "--quiet", "--", "migrations/versions", cwd=project.path)
