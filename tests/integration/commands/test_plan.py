"""`db plan` rehearses an upgrade or a downgrade, and says what it would do."""

import json
import sys
from itertools import pairwise

import pytest
from edit import edit
from planned import locks, planned, step, with_rows
from project import Project, commit, said
from revisions import NOTES, git, revise
from sample import NewProject
from server import Database

REINDEX_TOAST = """
DO $$
BEGIN
    EXECUTE (
        SELECT format('REINDEX INDEX %s', i.indexrelid::regclass)
        FROM pg_index i JOIN pg_class c ON c.reltoastrelid = i.indrelid WHERE c.relname = 'notes'
    );
END
$$
"""


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    """A project whose database is at the first revision and has a few rows."""
    return with_rows(new_project(), database)


def test_a_plan_is_told_in_full_and_nothing_of_it_is_done(
    project: Project, database: Database
) -> None:
    revise(
        project,
        "aaaa",
        'op.create_table("authors", sa.Column("id", sa.Integer(), primary_key=True))\n'
        'op.add_column("notes", sa.Column("author_id", sa.Integer()))\n'
        'op.create_index("ix_notes_author_id", "notes", ["author_id"])',
        message="Give notes an author",
    )
    revise(project, "bbbb", 'op.drop_column("notes", "body")', follows="aaaa")
    tables = "SELECT table_name::text, column_name::text FROM information_schema.columns"
    before = database.query(f"{tables} WHERE table_schema = 'public' ORDER BY 1, 2")
    done = project.db("plan", "--verbose")
    assert database.query(f"{tables} WHERE table_schema = 'public' ORDER BY 1, 2") == before
    assert database.value("SELECT version_num FROM alembic_version") == NOTES
    assert f"from {NOTES}, 2 revisions. Rehearsed on a scratch database" in done.stderr
    text = done.stdout
    assert text.index("1. aaaa  Give notes an author (") < text.index("2. bbbb  Change notes (")
    assert " ago)\n   migrations/versions/aaaa.py\n" in text
    assert "   21  ALTER TABLE notes ADD COLUMN author_id INTEGER\n" in text
    assert "authors: new, so no query waits" in text
    assert (
        "kB, about 1,000 rows): ACCESS EXCLUSIVE, blocks reading and writing for under a second, "
        "while it builds ix_notes_author_id on notes" in text
    )
    assert "column notes.body, of about 1,000 rows" in text
    assert "migrations/versions/bbbb.py:20: ban-drop-column: " in text
    assert "version_num" not in text


TARGETS = {
    "heads": ("upgrade", ["cccc", "dddd"]),
    "head": ("upgrade", ["cccc", "dddd"]),
    "+1": ("upgrade", ["cccc"]),
    "ccc": ("upgrade", ["cccc"]),
    "bbbb+2": ("upgrade", ["cccc", "dddd"]),
    "-1": ("downgrade", ["bbbb"]),
    "bbbb-1": ("downgrade", ["bbbb"]),
    "base": ("downgrade", ["bbbb", "aaaa", NOTES]),
    "aaaa": ("downgrade", ["bbbb"]),
    "5f0e": ("downgrade", ["bbbb", "aaaa"]),
    "bbbb": ("upgrade", []),
    "aaaa:cccc": ("upgrade", ["bbbb", "cccc"]),
    ":bbbb": ("upgrade", [NOTES, "aaaa", "bbbb"]),
    "cccc:": ("upgrade", ["dddd"]),
    "dddd:bbbb": ("downgrade", ["dddd", "cccc"]),
    "cccc:base": ("downgrade", ["cccc", "bbbb", "aaaa", NOTES]),
}


def test_it_takes_what_upgrade_and_downgrade_take(project: Project) -> None:
    names = [NOTES, "aaaa", "bbbb", "cccc", "dddd"]
    for before, name in pairwise(names):
        revise(project, name, 'op.execute("SELECT 1")', follows=before)
    project.alembic("upgrade", "bbbb")
    for target, (direction, revisions) in TARGETS.items():
        plan = planned(project, target)
        found = [each["revision"] for each in plan["steps"]]
        assert (plan["direction"], found) == (direction, revisions), target
    unknown = project.db("plan", "nowhere", ok=False)
    assert unknown.returncode == 1
    assert "Can't locate revision identified by 'nowhere'" in unknown.stderr
    assert "Traceback" not in said(unknown)


def test_where_there_is_nothing_to_do_it_says_so(project: Project) -> None:
    done = project.db("plan")
    assert f"is at {NOTES}." in done.stderr
    assert done.stderr.startswith("Nothing to do: database ")
    assert done.stdout == ""
    assert planned(project)["steps"] == []


def test_what_a_comment_allows_is_not_found_fault_with(project: Project) -> None:
    path = revise(project, "aaaa", 'op.drop_column("notes", "body")')
    [finding] = step(project)["findings"]
    assert finding["rule"] == "ban-drop-column"
    assert "first deploy code that does not use it" in finding["remedy"]
    edit(
        path,
        "    op.drop_column",
        "    # squawk-ignore ban-drop-column: unused\n    op.drop_column",
    )
    assert step(project)["findings"] == []


def test_without_squawk_it_is_not_linted(project: Project) -> None:
    revise(project, "aaaa", 'op.drop_column("notes", "body")')
    (project.path / "bin").mkdir()
    (project.path / "bin" / "python").symlink_to(sys.executable)
    program = (
        "import sys; from alembic_live.commands.main import run\n"
        "sys.executable = 'bin/python'\n"  # beside which squawk would be
        "sys.exit(run(['plan']))"
    )
    done = project.run("python", "-c", program)
    assert "Not linted: Squawk is not installed" in done.stdout
    assert "column notes.body" in done.stdout


def test_nobodys_lock_holds_it_up(project: Project, database: Database) -> None:
    revise(project, "aaaa", 'op.drop_column("notes", "body")')
    whole = database.value("SELECT pg_total_relation_size('notes')")
    with database.connect() as holder, holder.transaction():
        holder.execute(REINDEX_TOAST)  # measuring would wait for it
        [lock] = step(project)["locks"]
        assert 0 < lock["bytes"] < whole
    with database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")
        refused = project.db("plan", ok=False)
        assert f"session {holder.info.backend_pid} has locked notes in ACCESS" in refused.stderr
        holder.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        refused = project.db("plan", ok=False)
    assert refused.returncode == 1
    assert "The version table cannot be read" in refused.stderr
    assert "Traceback" not in said(refused)


def test_it_locks_nothing_that_others_want(project: Project, database: Database) -> None:
    revise(project, "aaaa", 'op.drop_column("notes", "body")')
    [lock] = step(project)["locks"]
    assert lock["bytes"] == database.value("SELECT pg_total_relation_size('notes')")
    with database.connect() as reader, reader.transaction():
        reader.execute("SELECT * FROM notes LIMIT 1")
        assert step(project)["locks"] == [lock]
    database.query("DROP TABLE notes")  # nobody is left who has it


def test_a_range_needs_no_database(project: Project) -> None:
    revise(project, "aaaa", 'op.drop_column("notes", "body")')
    nowhere = project.given(DB_HOST="127.0.0.1", DB_PORT="1")
    done = nowhere.db("plan", ok=False)
    assert done.returncode == 1
    assert "Cannot connect" in done.stderr
    assert "uv run db plan <from>:<to>" in done.stderr
    for without in (nowhere, project):
        plan = planned(without, f"{NOTES}:head")
        assert plan["database"] is None
        [lock] = plan["steps"][0]["locks"]
        assert (lock["lock"], lock["bytes"], lock["rows"]) == ("ACCESS EXCLUSIVE", None, None)
    project.environment.clear()
    assert "notes (size unknown): ACCESS EXCLUSIVE" in project.db("plan", f"{NOTES}:head").stdout
    assert "DB_HOST" in project.db("plan", ok=False).stderr


def test_the_revisions_since_a_commit_need_no_database(project: Project) -> None:
    git(project, "init", "--quiet", "--initial-branch", "main")
    revise(project, "aaaa", 'op.add_column("notes", sa.Column("a", sa.Integer()))')
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "-m", "one")
    revise(project, "bbbb", 'op.drop_column("notes", "a")', follows="aaaa")
    nowhere = project.given(DB_HOST="127.0.0.1", DB_PORT="1")
    done = nowhere.db("plan", "--since", "main")
    assert "Upgrade from aaaa, 1 revision." in done.stderr
    assert "column notes.a, of an unknown number of rows" in done.stdout
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "-m", "two")
    assert "Nothing to do" in nowhere.db("plan", "--since", "main").stderr
    assert "git has no such commit" in nowhere.db("plan", "--since", "gone", ok=False).stderr
    assert "no target" in nowhere.db("plan", "heads", "--since", "main", ok=False).stderr


def test_new_revisions_are_planned_without_a_database_in_each_format(project: Project) -> None:
    commit(project.path)
    revise(project, "aaaa", 'op.execute("CREATE INDEX ix ON notes (title)")')
    revise(project, "bbbb", 'op.drop_column("notes", "body")', follows="aaaa")
    project.environment.clear()
    plan = json.loads(project.db("plan", "--since", "main", "--json").stdout)
    assert (plan["database"], plan["current"]) == (None, [NOTES])
    assert [each["revision"] for each in plan["steps"]] == ["aaaa", "bbbb"]
    text = project.db("plan", "--since", "", "--markdown").stdout
    assert text.startswith("<!-- alembic-live: db plan -->\n")
    assert "while it builds ix on notes |\n" in text
    assert "-    body text DEFAULT ''::text NOT NULL,\n" in text
    assert "@@ index ix @@\n+CREATE INDEX ix ON public.notes USING btree (title);\n" in text
    assert f"uv run alembic downgrade {NOTES}\n" in text
    annotations = project.db("plan", "--since", "HEAD", "--github").stdout
    assert "::warning file=migrations/versions/aaaa.py,line=20,title=blocks-writes::" in annotations
    assert "::warning file=migrations/versions/bbbb.py,line=20,title=loses-data::" in annotations


def test_what_the_code_of_a_revision_prints_is_not_in_the_data(project: Project) -> None:
    revise(project, "aaaa", 'print("hello")\nop.execute("SELECT 1")')
    for option in ("--json", "--markdown", "--sarif"):
        done = project.db("plan", option)
        assert "hello" not in done.stdout
        assert "hello" in done.stderr


def test_a_revision_that_no_file_has_is_named(project: Project, database: Database) -> None:
    database.query("UPDATE alembic_version SET version_num = 'gone'")
    done = project.db("plan", ok=False)
    assert done.returncode == 1
    assert "The database is at revision gone, which is not in this code" in done.stderr


def test_each_revision_of_several_branches_comes_once_with_its_own_sql(project: Project) -> None:
    revise(project, "aaaa", 'op.create_table("a", sa.Column("id", sa.Integer()))')
    revise(project, "bbbb", 'op.create_table("b", sa.Column("id", sa.Integer()))')
    revise(project, "cccc", 'op.execute("SELECT 3")', follows=("aaaa", "bbbb"))
    steps = planned(project)["steps"]
    assert {each["revision"]: len(each["statements"]) for each in steps} == dict.fromkeys(
        ("aaaa", "bbbb", "cccc"), 1
    )
    assert steps[-1]["revision"] == "cccc"
    project.alembic("upgrade", "heads")
    back = [each["revision"] for each in planned(project, NOTES)["steps"]]
    assert back[0] == "cccc"
    assert sorted(back) == ["aaaa", "bbbb", "cccc"]


@pytest.mark.parametrize(("schema", "driver"), [("public", "asyncpg"), ("sales", "psycopg")])
def test_schemas_drivers_and_odd_names(
    new_project: NewProject, database: Database, schema: str, driver: str
) -> None:
    project = new_project(database_schema=schema)
    if driver == "psycopg":
        project = project.given(DB_DRIVER_SYNC=driver)
    project.alembic("upgrade", "head")
    database.query('CREATE TABLE "Odd ""Table"" %, x" (id int PRIMARY KEY, "a;b" text)')
    database.query('ANALYZE "Odd ""Table"" %, x"')
    where = f', schema="{schema}"' if schema != "public" else ""
    revise(
        project,
        "aaaa",
        f'op.add_column("notes", sa.Column("a b%", sa.Integer(), server_default="7"){where})\n'
        'op.drop_column(\'Odd "Table" %, x\', "a;b")',
    )
    found = step(project)
    notes = "notes" if schema == "public" else "sales.notes"
    assert locks(found) == {notes: "ACCESS EXCLUSIVE", 'Odd "Table" %, x': "ACCESS EXCLUSIVE"}
    assert [lock["rows"] for lock in found["locks"]] == [0, 0]
    assert found["losses"] == [{"what": "column", "name": 'Odd "Table" %, x.a;b', "rows": 0}]
    assert "ADD COLUMN \"a b%\" INTEGER DEFAULT '7'" in found["statements"][0]["sql"]


def test_a_downgrade_has_other_rules_and_an_index_the_size_of_its_table(
    project: Project,
) -> None:
    up = 'op.create_table("a", sa.Column("id", sa.Integer()))'
    down = 'op.drop_table("a")\nop.drop_index("ix_notes_created_at")'
    revise(project, "aaaa", up, down, message="Create a\nwith an id")
    project.alembic("upgrade", "aaaa")
    found = step(project, "-1")
    assert {each["rule"] for each in found["findings"]} == {"require-concurrent-index-deletion"}
    assert {each["table"]: each["rows"] for each in found["locks"]}["notes"] == 1000
    assert found["message"] == "Create a"
    edit(project.file("migrations/versions/aaaa.py"), up, "pass")
    assert "empty-upgrade" not in project.db("plan", "-1").stdout
