"""Commands follow what alembic.ini and env.py say: other folders, another version table."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from campaigns import campaign
from edit import edit
from project import Project, commit, run, said
from removals import STAMPED, TABLES, prepared, rev, undo
from revisions import git, head, id_of, revision, write_revision
from sample import NewProject
from server import Database

SETTING = "path_separator = os\n"


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    """One with three revisions on a branch, all of them applied."""
    project = prepared(new_project())
    project.alembic("upgrade", "head")
    return project


def set_in_ini(project: Project, *lines: str) -> None:
    """Add settings to alembic.ini."""
    ini = project.path / "alembic.ini"
    edit(ini, SETTING, "\n".join([SETTING.strip(), *lines, ""]))


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
    edit(ini, SETTING, "")
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
    edit(ini, "%(here)s/migrations", "%(here)s/alembic")
    (project.path / "migrations").rename(project.path / "alembic")


def subfolders_by_date(project: Project) -> None:
    ini = project.path / "alembic.ini"
    edit(ini, "file_template = ", "file_template = %%(year)d/")
    set_in_ini(project, "recursive_version_locations = true")


def linked(project: Project) -> None:
    versions = project.path / "migrations" / "versions"
    versions.rename(project.path / "elsewhere")
    versions.symlink_to(project.path / "elsewhere")


def beside(project: Project) -> None:
    """A folder beside the project, in the same repository."""
    (project.path / ".git").rename(project.path.parent / ".git")
    more = "%(here)s/migrations/versions:%(here)s/../more"
    set_in_ini(project, f"version_locations = {more}")
    move_newest(project, "../more")


def keep(project: Project) -> None:
    """Commit everything in the repository."""
    git(project, "add", "--all", ":/")
    git(project, "commit", "--quiet", "--message", "As it stands")


def find(project: Project, revision: str) -> Path:
    """The file of a revision, wherever it is."""
    pattern = re.compile(rf'^revision.* = "{revision}"$', re.MULTILINE)
    files = project.path.parent.rglob("*.py")
    [path] = (path for path in files if pattern.search(path.read_text()))
    return path


def rev_in(project: Project, folder: str) -> str:
    """The id of the one revision in a folder."""
    [path] = (project.path / folder).glob("*.py")
    return id_of(path)


def everything(project: Project) -> dict[str, bytes]:
    """All files that git would keep, and what is in them."""
    listed = git(project, "ls-files", "--cached", "--others", "--exclude-standard").split()
    paths = [project.path / name for name in listed]
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


LOCATIONS = [
    *(recursive, second_folder, old_separator, bases_apart, in_pyproject, subfolders_by_date),
    *(linked, beside),
]


@campaign("move", LOCATIONS, keep=[recursive, beside])
def test_a_history_in_several_folders_is_worked_on(
    project: Project, database: Database, move: Callable[[Project], None]
) -> None:
    a, b, c = (rev(project, name) for name in "abc")
    move(project)
    project.db("record_head")
    keep(project)
    heads = sorted(line.split()[0] for line in project.alembic("heads").stdout.splitlines())
    assert sorted(head(project).split()) == heads
    assert "edited" not in said(project.db("lint", ok=False))
    removed = project.db("remove", c, "--yes")
    assert (b,) in database.query(STAMPED)
    assert database.query(TABLES) == [("a",), ("b",)]
    assert c not in project.alembic("history").stdout
    undo(project, removed)
    project.alembic("upgrade", "heads")
    lost = find(project, c)
    lost.unlink()
    repaired = project.db("remove", c, "--downgrade", "--yes")
    assert database.query(TABLES) == [("a",), ("b",)]
    undo(project, repaired)
    assert find(project, c) == lost
    project.alembic("upgrade", "heads")
    project.alembic("revision", "-m", "side", f"--head={b}", "--splice", "--rev-id=0000side")
    project.db("rebase", "--onto", c)
    assert f"{c} -> 0000side" in project.alembic("history").stdout
    keep(project)
    squashed = project.db("squash", "--to", "0000side", "--yes")
    assert a not in project.alembic("history").stdout
    undo(project, squashed)
    assert a in project.alembic("history").stdout


def test_an_error_names_its_place_in_any_folder(project: Project) -> None:
    second_folder(project)
    path = find(project, rev_in(project, "more"))
    project.alembic("downgrade", "-1")
    # Of another length: Python keeps the bytecode of a file with the same size and second.
    edit(path, "CREATE TABLE public.c ()", "CREATE TABLE public.a (b int)")
    text = said(project.alembic("upgrade", "head", ok=False))
    assert f"{path}:" in text
    assert 'relation "a" already exists' in text


@pytest.mark.parametrize("command", ["remove {c} --yes", "rebase --applied", "squash --yes"])
def test_a_revision_without_a_source_is_not_rewritten(project: Project, command: str) -> None:
    c = rev(project, "c")
    sourceless(project)
    before = everything(project)
    text = said(project.db(*command.format(c=c).split(), ok=False))
    assert "_c.pyc has no source" in text
    assert "Nothing was changed" in text
    assert everything(project) == before
    assert f"{c}\n" in said(project.db("record_head"))
    assert f"{c} (head)" in project.db("status").stdout
    assert c in project.db("plan", "base:head").stdout
    project.db("lint", ok=False)


def test_a_folder_that_alembic_does_not_read_is_said(project: Project) -> None:
    edit(project.path / "alembic.ini", "file_template = ", "file_template = %%(year)d/")
    text = said(project.alembic("revision", "-m", "unread", ok=False))
    assert "recursive_version_locations = true" in text


def test_from_a_folder_below_the_settings_of_the_project_count(project: Project) -> None:
    in_pyproject(project)
    project.db("record_head", cwd=project.models)
    assert head(project) == rev_in(project, "more")


def test_a_relative_folder_is_found_from_a_folder_below(project: Project) -> None:
    edit(project.path / "alembic.ini", "%(here)s/migrations", "migrations")
    for words in (("status",), ("history",), ("upgrade", "head"), ("lint",)):
        project.db(*words, cwd=project.models)


def test_another_ini_file_is_read_where_it_is_named(project: Project) -> None:
    ini = project.path / "alembic.ini"
    text = ini.read_text()
    (project.path / "other.ini").write_text(text)
    edit(ini, SETTING, f"{SETTING}version_locations = %(here)s/nothing\n")
    head_file = project.path / "migrations" / "head.txt"
    recorded = head_file.read_text()
    for words, environment in ((("-c", "other.ini"), {}), ((), {"ALEMBIC_CONFIG": "other.ini"})):
        head_file.write_text("")
        project.given(**environment).db(*words, "record_head")
        assert head_file.read_text() == recorded


def test_a_section_cannot_be_named(project: Project) -> None:
    assert project.db("-n", "second", "record_head", ok=False).returncode == 2


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
    [
        *(usual_folder, usual_folder_in_other_words, not_recursive, package),
        *(another_folder, script_location),
    ],
    keep=[usual_folder_in_other_words, package, script_location],
)
def test_one_folder_is_worked_on_wherever_it_is(
    project: Project, database: Database, settings: Callable[[Project], None]
) -> None:
    b, c = rev(project, "b"), rev(project, "c")
    settings(project)
    project.db("remove", c, "--yes")
    assert database.query(STAMPED) == [(b,)]
    [recorded] = project.path.glob("*/head.txt")
    assert recorded.read_text() == f"{b}\n"
    assert database.query(TABLES) == [("a",), ("b",)]
    assert c not in project.alembic("history").stdout


ENV = "version_table_schema=project.schema,"
OTHER_TABLES = {  # each is my_versions, but for the second
    "version_table": 'version_table="my_versions", version_table_schema=project.schema,',
    "version_table_schema": 'version_table_schema="history",',
    # Online only, as in many a project of before.
    "online": '**({"version_table": "my_versions"} if connection else {}),',
    "by a variable": "version_table=TABLE,",
}


@pytest.fixture
def elsewhere(
    new_project: NewProject, database: Database, request: pytest.FixtureRequest
) -> Project:
    """One whose version table is another, with all revisions applied."""
    project = new_project()
    env = project.path / "migrations" / "env.py"
    imports = 'from sqlalchemy import Connection\n\nTABLE = "_".join(["my", "versions"])'
    edit(env, ENV, OTHER_TABLES[request.param])
    edit(env, "from sqlalchemy import Connection", imports)
    edit(project.path / "alembic.ini", "env_file = %(here)s/.env\n", "")
    database.query("CREATE SCHEMA history")
    commit(project.path)
    git(project, "switch", "--quiet", "--create", "mine")
    for name in "abc":
        write_revision(project, name, f"CREATE TABLE {name} ()", f"DROP TABLE {name}")
    commit(project.path)
    project.alembic("upgrade", "head")
    return project


@pytest.fixture
def stamped(elsewhere: Project, database: Database) -> Callable[[], list[str]]:
    """What that table says."""
    env = (elsewhere.path / "migrations" / "env.py").read_text()
    table = "history.alembic_version" if '"history"' in env else "my_versions"

    def stamped() -> list[str]:
        return [name for (name,) in database.query(f"SELECT version_num FROM {table}")]

    return stamped


@campaign("elsewhere", [*OTHER_TABLES], keep=["version_table_schema", "online"], indirect=True)
def test_another_version_table_is_followed(
    elsewhere: Project, database: Database, stamped: Callable[[], list[str]]
) -> None:
    a, b, c = (rev(elsewhere, name) for name in "abc")
    assert stamped() == [c]
    elsewhere.db("drift")
    assert f"revision  {c} (head)" in elsewhere.db("status").stdout
    assert "ok" not in elsewhere.db("doctor", "--json").stderr
    elsewhere.db("schema")
    assert "versions" not in (elsewhere.path / "schema.sql").read_text()
    assert "alembic_version" not in (elsewhere.path / "schema.sql").read_text()
    elsewhere.db("remove", c, "--yes")
    assert stamped() == [b]
    assert database.query(TABLES) == [("a",), ("b",)]
    commit(elsewhere.path)
    elsewhere.db("squash", "--yes")
    assert [a in path.name for path in elsewhere.versions] == [False]
    assert "Running upgrade" not in said(elsewhere.alembic("upgrade", "head"))
    elsewhere.db("drift")
    assert database.query("SELECT to_regclass('public.alembic_version')::text") == [(None,)]


@pytest.mark.parametrize("elsewhere", ["version_table"], indirect=True)
def test_branches_are_put_in_line_by_that_table(elsewhere: Project) -> None:
    write_revision(
        elsewhere, "side", "SELECT 1", "SELECT 1", "--head", rev(elsewhere, "b"), "--splice"
    )
    c, side = rev(elsewhere, "c"), rev(elsewhere, "side")
    refused = said(elsewhere.db("rebase", "--onto", side, ok=False))
    assert f"{c} is applied to the project's database" in " ".join(refused.split())
    elsewhere.db("rebase", "--onto", c)
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
    edit(env, ENV, 'version_table_schema="public",')
    declared = "version_table_schema = public\nenv_file"
    edit(project.path / "alembic.ini", "env_file", declared)
    b = rev(project, "b")
    project.db("remove", rev(project, "c"), "--yes")
    assert database.query(STAMPED) == [(b,)]


def test_an_environment_that_configures_nothing_is_said(project: Project) -> None:
    env = project.path / "migrations" / "env.py"
    env.write_text('"""Nothing."""\n')
    text = said(project.db("remove", rev(project, "c"), ok=False))
    assert "migrations/env.py ends without context.configure" in text
    run("git", "diff", "--quiet", "--", "migrations/versions", cwd=project.path)
