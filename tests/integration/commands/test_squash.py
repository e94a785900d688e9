"""`db squash`: one revision in the place of many, which makes the same."""

import re
import time

import pytest
from campaigns import campaign
from edit import edit
from project import Project, commit, run, said
from random_history import History
from sample import NewProject
from server import Database

ROWS = """
    kinds = op.create_table("kinds", sa.Column("id", sa.Integer()), sa.Column("name", sa.Text()))
    op.bulk_insert(kinds, [{"id": 1, "name": "a:b"}, {"id": 2, "name": "50%"}])
"""
FUNCTION = '''
    op.execute("""
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            -- a comment; 50%

            RETURN new;
        END $$""")
    op.execute("CREATE TRIGGER touch BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION touch()")
'''
COLUMN = """
    op.add_column("notes", sa.Column("kind", sa.String(20), server_default="x", nullable=False))
"""


def add_revision(project: Project, name: str, upgrade: str) -> str:
    """Write a revision and return its id."""
    # In the order of their names too, where two are written in the same second.
    project.alembic("revision", "-m", name, "--rev-id", f"{len(project.versions):012x}")
    path = project.file(f"migrations/versions/*_{name}.py")
    marker = '    """Bring the schema to this revision."""\n'
    edit(path, marker, marker + upgrade.lstrip("\n"))
    return path.name.split("-")[1].removesuffix(f"_{name}.py")


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """One with four revisions, in git."""
    project = new_project()
    for name, upgrade in (("kinds", ROWS), ("touch", FUNCTION), ("kind", COLUMN)):
        add_revision(project, name, upgrade)
    commit(project.path)
    return project


def head(project: Project) -> str:
    return (project.path / "migrations" / "head.txt").read_text().strip()


def git(project: Project, *arguments: str) -> str:
    return run("git", *arguments, cwd=project.path).stdout


def dump_of(project: Project) -> list[str]:
    """The schema that the migrations make, by `db schema`. What comes of the order in which things
    were made is left out: their order in the dump, and the names that Postgres gives to sequences and
    to what is no more than NOT NULL, which are those of before a table or a column was renamed.
    """
    dump = project.db("schema", "heads").stdout
    dump = re.sub(r"^    SEQUENCE NAME .*\n", "", dump, flags=re.MULTILINE)
    return sorted(re.sub(r' CONSTRAINT ("[^"]+"|\w+) NOT NULL', " NOT NULL", dump).split("\n\n"))


def test_a_squashed_history_makes_the_same_and_keeps_the_id(
    project: Project, database: Database
) -> None:
    project.alembic("upgrade", "head")
    before, newest = dump_of(project), head(project)
    done = project.db("squash", "--yes")
    assert len(project.versions) == 1
    assert newest in project.versions[0].name
    assert head(project) == newest
    assert dump_of(project) == before
    assert "Undo: git restore" in done.stderr
    # The database at the head sees nothing to do, and is what its revision says.
    assert "Running upgrade" not in said(project.alembic("upgrade", "head"))
    project.db("drift")
    source = project.versions[0].read_text()
    assert "op.create_table(" in source
    assert 'run_sql("""' in source
    project.run("ruff", "check")
    project.run("ruff", "format", "--check")
    project.run("mypy", "migrations")


def test_lint_and_new_revisions_take_it_for_what_it_is(project: Project) -> None:
    project.db("squash", "--yes")
    commit(project.path)
    assert "no findings" in project.db("lint", "--since", "HEAD~1").stdout
    add_revision(project, "after", "    op.drop_column('notes', 'kind')\n")
    project.alembic("upgrade", "head")


def test_an_older_database_is_refused_with_a_sentence(project: Project) -> None:
    project.alembic("upgrade", "+2")
    project.db("squash", "--yes")
    for environment in ({}, {"DB_MIGRATION_AHEAD": "warn"}):
        refused = project.given(**project.environment, **environment).alembic(
            "upgrade", "head", ok=False
        )
        assert refused.returncode != 0
        assert "it was squashed into" in said(refused)
        assert "Traceback" not in said(refused)


def test_the_printed_command_undoes_it(project: Project) -> None:
    before = {path.name: path.read_text() for path in project.versions}
    undo = project.db("squash", "--yes").stderr.split("Undo: ")[1].strip()
    run(*undo.split(), cwd=project.path)
    assert {path.name: path.read_text() for path in project.versions} == before
    assert git(project, "status", "--porcelain") == ""


def test_a_part_of_the_history_can_be_squashed(project: Project, database: Database) -> None:
    middle = project.versions[2].name.split("-")[1].split("_")[0]
    before = dump_of(project)
    project.db("squash", "--to", middle, "--yes")
    assert len(project.versions) == 2
    assert dump_of(project) == before
    project.alembic("upgrade", "head")


def test_revisions_that_change_rows_are_named_and_carried_over_if_asked(
    project: Project, database: Database
) -> None:
    refused = project.db("squash", ok=False)
    assert "(kinds) may change rows: migrations/versions/" in refused.stderr
    assert "public.kinds (2)" in refused.stderr
    assert "touch) may change rows" not in refused.stderr
    project.db("squash", "--with-data", "--yes")
    project.alembic("upgrade", "head")
    assert database.query("SELECT id, name FROM kinds ORDER BY id") == [(1, "a:b"), (2, "50%")]
    project.run("ruff", "check")
    project.run("ruff", "format", "--check")


STEPS = """
    kinds = sa.table("kinds", sa.column("name"))
    names = ["b", "a"]
    names.sort()
    label = ""
    for position, name in enumerate(names):
        label += name
        op.execute(kinds.insert().values(name=f"{position}{label}"))
"""
LATER = """
    run_sql("UPDATE kinds SET name = upper(name) WHERE name LIKE '0%'")
"""


def test_what_is_carried_over_makes_the_same_values(project: Project, database: Database) -> None:
    add_revision(project, "steps", STEPS)
    add_revision(project, "later", LATER)
    path = project.file("migrations/versions/*_later.py")
    import_ = "from alembic_live.operations import run_sql\n\nrevision: str ="
    edit(path, "revision: str =", import_)
    commit(project.path)
    project.db("squash", "--with-data", "--yes")
    project.alembic("upgrade", "head")
    names = database.query("SELECT name FROM kinds ORDER BY name")
    assert names == [("0A",), ("1ab",), ("50%",), ("a:b",)]


def test_rows_that_would_be_others_are_refused(project: Project) -> None:
    changed = '    op.execute("INSERT INTO kinds SELECT 3, kind FROM notes")\n'
    add_revision(project, "before", changed)
    column = "    op.execute(\"INSERT INTO notes (title, kind) VALUES ('t', 'k')\")\n"
    add_revision(project, "after", column + '    op.drop_column("notes", "kind")\n')
    commit(project.path)
    before = {path.name: path.read_text() for path in project.versions}
    refused = project.db("squash", "--with-data", "--yes", ok=False)
    assert "fail on the newest schema" in refused.stderr
    assert "Squash without --with-data" in refused.stderr
    assert "/tmp" not in refused.stderr
    assert {path.name: path.read_text() for path in project.versions} == before


def test_nothing_is_touched_without_a_word(project: Project) -> None:
    before = {path.name: path.read_text() for path in project.versions}
    refused = project.db("squash", ok=False)
    assert refused.returncode == 1
    assert "Add --yes" in refused.stderr
    assert {path.name: path.read_text() for path in project.versions} == before


def test_nothing_is_touched_where_there_would_be_no_way_back(project: Project) -> None:
    project.versions[0].write_text(project.versions[0].read_text() + "# edited\n")
    refused = project.db("squash", "--yes", ok=False)
    assert "has uncommitted changes" in refused.stderr
    assert len(project.versions) == 4


def test_what_follows_a_revision_in_the_middle_is_named(project: Project) -> None:
    middle = project.versions[1].name.split("-")[1].split("_")[0]
    project.alembic("revision", "-m", "branch", "--head", middle, "--splice")
    commit(project.path)
    refused = project.db("squash", "--yes", ok=False)
    assert "has 2 heads" in refused.stderr
    newest = project.versions[3].name.split("-")[1].split("_")[0]
    refused = project.db("squash", "--to", newest, "--yes", ok=False)
    assert f"follows {middle}, which would be removed" in refused.stderr
    assert len(project.versions) == 5


def test_killed_at_any_moment_it_leaves_the_old_history_or_can_be_finished(
    project: Project,
) -> None:
    git(project, "clean", "--quiet", "--force")
    before, newest = dump_of(project), head(project)
    old = {path: path.read_bytes() for path in project.versions}
    began = time.monotonic()
    project.db("squash", "--yes")
    takes = time.monotonic() - began
    git(project, "reset", "--quiet", "--hard")
    for fraction in (0.5, 0.9, None):
        process = project.begin("db", "squash", "--yes")
        deadline = time.monotonic() + takes * (fraction or 100)
        while time.monotonic() < deadline:
            # Without a fraction it is killed as soon as a file is written.
            if fraction is None and {p: p.read_bytes() for p in old if p.exists()} != old:
                break
            time.sleep(0.001)
        process.kill()
        process.communicate()
        now = {path: path.read_bytes() for path in project.versions}
        if fraction is None:
            assert now != old
        if now != old:
            if process.returncode:
                project.db("squash", "--yes")
            assert [newest in path.name for path in project.versions] == [True]
        assert head(project) == newest
        assert dump_of(project) == before
        (project.path / ".git" / "index.lock").unlink(missing_ok=True)
        git(project, "reset", "--quiet", "--hard")


def test_a_squash_that_was_cut_off_is_named_and_finished(project: Project) -> None:
    before, newest = dump_of(project), head(project)
    old = {path: path.read_text() for path in project.versions}
    project.db("squash", "--yes")
    git(project, "restore", "--source=HEAD", "--staged", "--worktree", *map(str, list(old)[:-1]))
    refused = project.alembic("upgrade", "head", ok=False)
    assert "A squash was interrupted" in said(refused)
    assert "removed the remaining 3 files" in project.db("squash").stderr
    assert head(project) == newest
    assert dump_of(project) == before


@campaign("schema", ["public", "inventory"], keep=["inventory"])
@pytest.mark.full
def test_random_histories_make_the_same_when_squashed(
    new_project: NewProject, schema: str, request: pytest.FixtureRequest
) -> None:
    project = new_project(example=False, database_schema=schema)
    squash_random_history(project, seed=len(schema), revisions=40)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(20))
def test_long_random_histories_make_the_same_when_squashed(
    new_project: NewProject, seed: int
) -> None:
    squash_random_history(new_project(example=False), seed=seed, revisions=300)


def squash_random_history(project: Project, *, seed: int, revisions: int) -> None:
    """Squash a history, and compare what it makes with what it made."""
    newest = History(seed).write(project.path / "migrations" / "versions", revisions)
    project.db("record_head")
    commit(project.path)
    before = dump_of(project)
    done = project.db("squash", "--yes")
    assert [newest in path.name for path in project.versions] == [True]
    after = dump_of(project)
    assert after == before, said(done)
    assert "op.create_table(" in project.versions[0].read_text()


def test_a_template_that_writes_a_string_and_a_label_are_named(project: Project) -> None:
    template = project.path / "migrations" / "script.py.mako"
    edit(template, "${repr(down_revision)}", '"${down_revision}"')
    commit(project.path)
    done = project.db("squash", "--yes", ok=False)
    assert "migrations/script.py.mako writes down_revision as a string" in done.stderr
    assert "${repr(down_revision)}" in done.stderr
    assert "Traceback" not in done.stderr
    edit(
        project.versions[0],
        "branch_labels: str | Sequence[str] | None = None",
        'branch_labels = "x"',
    )
    done = project.db("squash", "--yes", ok=False)
    assert 'has the branch label "x", which would be lost' in done.stderr
    assert "After the squash, write it into the new revision." in done.stderr


ODD_COLON = """
    op.add_column("notes", sa.Column("kind", sa.Text(), server_default="it is :word, 10:30", nullable=False))
"""
ODD_ENUM = """
    sa.Enum("a :b", "c", name="mood").create(op.get_bind())
    op.execute("CREATE TABLE moods (mood mood)")
"""


@pytest.mark.full
def test_odd_revisions_are_squashed(new_project: NewProject) -> None:
    project = new_project()
    template = project.path / "migrations" / "script.py.mako"
    for name in ("branch_labels", "depends_on"):
        edit(template, f"{name}: str | Sequence[str] | None = ${{repr({name})}}\n", "")
    add_revision(project, "colon", ODD_COLON)
    add_revision(project, "enum", ODD_ENUM)
    add_revision(project, "latin", '    op.create_table_comment("notes", "Für")\n')
    latin = project.file("migrations/versions/*_latin.py")
    latin.write_bytes(b"# -*- coding: latin-1 -*-\n" + latin.read_text().encode("latin-1"))
    commit(project.path)
    for empty in ("", " "):
        refused = project.db("squash", "--yes", "--to", empty, ok=False)
        assert "--to" in refused.stderr
        assert "Traceback" not in said(refused)
    before = dump_of(project)
    done = project.db("squash", "--yes")
    source = project.versions[0].read_text()
    assert source.startswith('"""4 revisions up to: latin\n')
    assert "replaces: tuple[str, ...] = (" in source
    assert "no findings" in said(project.db("lint", "base:head"))
    assert source.count("op.create_table(") == 2
    assert "may change rows" not in done.stderr
    assert dump_of(project) == before
    assert "1 object with SQL" in done.stderr
