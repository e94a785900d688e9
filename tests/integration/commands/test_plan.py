"""`db plan` rehearses an upgrade or a downgrade, and says what it would do."""

import json
import sys
from itertools import pairwise
from typing import Any

import pytest
from edit import edit
from plan_schema import check_plan
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
    project = new_project()
    project.alembic("upgrade", "head")
    database.query("INSERT INTO notes (title, body) SELECT n, n FROM generate_series(1, 1000) n")
    database.query("ANALYZE notes")
    return project


def planned(project: Project, target: str = "heads") -> Any:
    plan = json.loads(project.db("plan", target, "--json").stdout)
    check_plan(plan)
    return plan


def step(project: Project, target: str = "heads") -> Any:
    """The only one."""
    [found] = planned(project, target)["steps"]
    return found


def locks(found: Any) -> dict[str, str]:
    """The locks on each table, and what is done meanwhile."""
    texts: dict[str, list[str]] = {}
    for each in found["locks"]:
        works = (f"{work['work']} {work['table']}" for work in each["during"])
        texts.setdefault(each["relation"], []).append(" ".join([each["lock"], *works]))
    return {table: ", ".join(held) for table, held in texts.items()}


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


def test_a_lock_is_held_until_the_transaction_ends(project: Project, database: Database) -> None:
    database.query("CREATE TABLE owners (id int PRIMARY KEY)")
    revise(
        project,
        "aaaa",
        'op.add_column("owners", sa.Column("name", sa.Text()))\n'
        'op.execute("UPDATE notes SET body = title; ALTER TABLE notes ADD COLUMN c int")',
    )
    assert locks(step(project)) == {
        "owners": "ACCESS EXCLUSIVE changes rows of notes",
        "notes": "ROW EXCLUSIVE changes rows of notes, ACCESS EXCLUSIVE",
    }


def test_the_operations_are_shown_with_the_weak_locks_that_they_take(
    project: Project, database: Database
) -> None:
    database.query("CREATE TABLE owners (id int PRIMARY KEY)")
    revise(project, "aaaa", 'operations.create_index_concurrently("ix", "notes", ["body"])')
    revise(
        project,
        "bbbb",
        'operations.create_foreign_key_concurrently("fk", "notes", "owners", ["id"], ["id"])',
        follows="aaaa",
    )
    revise(
        project,
        "cccc",
        'operations.set_not_null_concurrently("notes", "body")',
        follows="bbbb",
    )
    revise(
        project,
        "dddd",
        'operations.create_unique_constraint_concurrently("uq", "notes", ["title"])',
        follows="cccc",
    )
    plan = planned(project)["steps"]
    assert [locks(each) for each in plan] == [
        {"notes": "SHARE UPDATE EXCLUSIVE builds an index of notes"},
        {
            "notes": "SHARE ROW EXCLUSIVE, SHARE UPDATE EXCLUSIVE compares notes",
            "owners": "SHARE ROW EXCLUSIVE",
        },
        {"notes": "ACCESS EXCLUSIVE, SHARE UPDATE EXCLUSIVE reads notes"},
        {"notes": "SHARE UPDATE EXCLUSIVE builds an index of notes, ACCESS EXCLUSIVE"},
    ]
    assert [each["findings"] for each in plan[:1]] == [[]]
    statements = [each for step in plan[:2] for each in step["statements"]]
    assert not any("DROP" in each["sql"] for each in statements)


def test_what_would_be_lost_is_counted(project: Project, database: Database) -> None:
    database.query("CREATE TYPE mood AS ENUM ('good', 'it''s bad')")
    database.query("CREATE TABLE old (id int); INSERT INTO old VALUES (1), (2); ANALYZE old")
    revise(
        project,
        "aaaa",
        'op.add_column("notes", sa.Column("new", sa.Integer()))\n'
        'op.drop_column("notes", "new")\n'
        'op.drop_column("notes", "title")\n'
        'op.execute("DELETE FROM notes WHERE id > 5; TRUNCATE old")\n'
        'op.drop_table("old")\n'
        'op.execute("ALTER TYPE mood RENAME TO mood_old")\n'
        "op.execute(\"CREATE TYPE mood AS ENUM ('good')\")\n"
        'op.create_table("late", sa.Column("id", sa.Integer()))\n'
        'op.drop_table("late")',
    )
    assert [tuple(each.values()) for each in step(project)["losses"]] == [
        ("rows", "notes", None),
        ("rows", "old", 2),
        ("column", "notes.title", 1000),
        ("table", "old", 2),
        ("enum value", "mood.it's bad", None),
    ]
    back = step(project, "base")
    assert [tuple(each.values()) for each in back["losses"]] == [("table", "notes", 1000)]
    assert locks(back) == {"notes": "ACCESS EXCLUSIVE"}


def test_a_table_that_a_foreign_key_ties_to_it_is_locked_too(
    project: Project, database: Database
) -> None:
    database.query(
        "CREATE TABLE owners (id int PRIMARY KEY);"
        "ALTER TABLE notes ADD COLUMN owner_id int REFERENCES owners"
    )
    revise(project, "aaaa", 'op.drop_table("notes")')
    assert locks(step(project)) == {"notes": "ACCESS EXCLUSIVE", "owners": "ACCESS EXCLUSIVE"}


PARTITIONED = (
    "CREATE TABLE logs (id int, note varchar(9)) PARTITION BY RANGE (id)",
    *(
        f"CREATE TABLE logs_{n} PARTITION OF logs FOR VALUES FROM ({n}) TO ({n + 1})"
        for n in range(5)
    ),
    "INSERT INTO logs SELECT n % 5, n FROM generate_series(1, 500) n",
)


def test_partitions_are_summed_up(project: Project, database: Database) -> None:
    with database.connect() as connection:
        for statement in PARTITIONED:
            connection.execute(statement.encode())
    database.query("ANALYZE logs")  # after the session that counts the inserted rows
    revise(
        project,
        "aaaa",
        'op.add_column("logs", sa.Column("c", sa.Integer()))\n'
        'op.execute("ALTER TABLE logs ALTER note TYPE varchar(5)")\n'
        'op.execute("DELETE FROM logs WHERE id > 2")',
    )
    revise(project, "bbbb", 'op.execute("DROP TABLE logs_1")', follows="aaaa")
    text = project.db("plan").stdout
    assert (
        "ACCESS EXCLUSIVE, blocks reading and writing for under a second, while it rewrites logs "
        "(5 partitions) and changes rows of logs (3 partitions)\n" in text
    )
    assert "\n     column logs.c\n   Changes:" in text
    assert "rows of logs, some of about 500 rows\n" in text
    assert "table logs_1, about 100 rows\n" in text
    assert "logs_2" not in text


SHARED = {
    "a role": 'op.execute("CREATE ROLE planned")',
    "a role, caught": (
        'try:\n    op.execute("CREATE ROLE planned")\nexcept Exception:\n    pass\n'
        'op.execute("SELECT 1")'
    ),
    "a setting of a database": "op.execute(\"ALTER DATABASE {name} SET work_mem = '5MB'\")",
    "outside of a transaction": (
        "with op.get_context().autocommit_block():\n"
        "    op.execute(\"ALTER SYSTEM SET work_mem = '5MB'\")"
    ),
    "a role outside of a transaction": (
        'with op.get_context().autocommit_block():\n    op.execute(sa.text("CREATE ROLE planned"))'
    ),
}
SERVER = """
    SELECT ARRAY(SELECT rolname::text FROM pg_roles ORDER BY 1),
        ARRAY(SELECT setconfig::text FROM pg_db_role_setting ORDER BY 1),
        ARRAY(SELECT datname::text FROM pg_database WHERE datname ~ 'scratch' ORDER BY 1),
        (SELECT count(*) FROM pg_file_settings WHERE name = 'work_mem')
"""


def test_the_server_is_left_as_it_is(project: Project, database: Database) -> None:
    before = database.query(SERVER)
    for name, up in SHARED.items():
        revise(project, "aaaa", up.replace("{name}", database.name))
        done = project.db("plan", "--verbose")
        assert database.query(SERVER) == before, name
        assert "A revision changes the server, and not just its database: " in done.stderr, name
        assert "So the rehearsal is on a local server." in done.stderr, name
    assert "CREATE ROLE planned" in done.stdout


def test_so_it_is_by_what_the_driver_runs(project: Project, database: Database) -> None:
    project = project.given(DB_DRIVER_SYNC="psycopg")
    before = database.query(SERVER)
    up = 'op.get_bind().connection.driver_connection.cursor().execute("CREATE ROLE planned")'
    revise(project, "aaaa", up)
    assert "So the rehearsal is on a local server." in project.db("plan").stderr
    assert database.query(SERVER) == before


def test_what_is_built_again_or_is_the_library_s_is_no_new_object(project: Project) -> None:
    revise(
        project,
        "aaaa",
        "with op.get_context().autocommit_block():\n"
        '    op.execute("REINDEX TABLE CONCURRENTLY notes")\n'
        'operations.update_in_batches("notes", "body = title", where="body = \'\'")',
    )
    found = step(project)
    assert (found["makes"], found["drops"]) == ([], [])
    assert {each["work"] for lock in found["locks"] for each in lock["during"]} == {
        "builds an index of"
    }


def test_what_the_driver_runs_by_itself_is_seen(project: Project) -> None:
    up = (
        "connection = op.get_bind().connection.driver_connection\n"
        'connection.cursor().execute("CREATE TABLE unseen (id int); DROP TABLE notes")'
    )
    revise(project.given(DB_DRIVER_SYNC="psycopg"), "aaaa", up)
    found = step(project.given(DB_DRIVER_SYNC="psycopg"))
    assert locks(found) == {"unseen": "ACCESS EXCLUSIVE", "notes": "ACCESS EXCLUSIVE"}
    assert [each["sql"] for each in found["statements"]] == [
        "(through the connection of the driver)"
    ]


def test_a_renamed_table_keeps_its_size(project: Project) -> None:
    revise(project, "aaaa", 'op.rename_table("notes", "entries")')
    revise(project, "bbbb", 'op.create_index("i", "entries", ["body"])', follows="aaaa")
    first, second = planned(project)["steps"]
    assert [(lock["table"], lock["rows"]) for lock in first["locks"]] == [("notes", 1000)]
    assert [(lock["table"], lock["rows"]) for lock in second["locks"]] == [("entries", 1000)]
    assert first["renames"] == [["table notes", "table entries"]]


def test_what_runs_in_the_server_is_seen(project: Project, database: Database) -> None:
    database.query("CREATE TABLE owners (id int PRIMARY KEY)")
    revise(
        project,
        "aaaa",
        'op.execute("DO $$ BEGIN ALTER TABLE notes ADD COLUMN c int; TRUNCATE owners; END $$")\n'
        'op.get_bind().execute(sa.text("SELECT 1")).scalar()\n'
        'op.drop_column("notes", "body")',
    )
    found = step(project)
    assert locks(found) == {"notes": "ACCESS EXCLUSIVE", "owners": "ACCESS EXCLUSIVE"}
    assert [(each["what"], each["name"]) for each in found["losses"]] == [
        ("rows", "owners"),
        ("column", "notes.body"),
    ]
    assert found["makes"] == ["column notes.c"]


FAILURES = {
    'op.execute("ALTER TABLE nowhere ADD COLUMN c int")': 'relation "nowhere" does not exist',
    'op.get_bind().execute(sa.text("SELECT id FROM notes")).scalar_one()': "No row was found when one was required",
    "nonsense": "NameError: name 'nonsense'",
}


def test_a_revision_that_cannot_run_on_empty_tables_is_reported(project: Project) -> None:
    revise(project, "bbbb", 'op.execute("SELECT 1")', follows="aaaa")
    for up, words in FAILURES.items():
        revise(project, "aaaa", f'op.drop_column("notes", "body")\n{up}')
        first, second = planned(project)["steps"]
        assert words in first["failure"]
        assert "aaaa.py:21: " in first["failure"]
        assert locks(first)["notes"].startswith("ACCESS EXCLUSIVE")
        assert second["failure"] == "not run, because aaaa fails"
    assert "   Fails:\n" in project.db("plan").stdout


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
