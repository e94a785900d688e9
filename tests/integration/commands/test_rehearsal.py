"""What a rehearsal sees of a revision, and what it leaves alone."""

import pytest
from planned import locks, planned, step, with_rows
from project import Project
from revisions import revise
from sample import NewProject
from server import Database


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    """A project whose database is at the first revision and has a few rows."""
    return with_rows(new_project(), database)


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
