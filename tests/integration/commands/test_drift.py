"""`db drift`: what differs between a database and what its revision says, object by object."""

import json

import pytest
from campaigns import campaign
from edit import edit
from everything import BY_HAND, write_everything
from project import Finished, Project, said
from revisions import git, write_revision
from sample import NewProject
from server import Database

SCHEMAS_AND_DRIVERS = [("public", "asyncpg"), ("sales", "asyncpg"), ("public", "psycopg")]


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A migrated project with everything in its schema."""
    return migrated(new_project())


def migrated(project: Project, schema: str = "public") -> Project:
    write_everything(project, schema)
    project.alembic("upgrade", "head")
    return project


def differences(done: Finished) -> dict[str, str]:
    """What `db drift --json` found: each object, and what differs."""
    found = json.loads(done.stdout)
    assert found["ok"] is (done.returncode == 0)
    return {one["object"]: one["difference"] for one in found["differences"]}


@campaign(
    ("schema", "driver"),
    SCHEMAS_AND_DRIVERS,
    keep=[("sales", "asyncpg"), ("public", "psycopg")],
)
def test_what_a_hand_does_is_seen_and_nothing_else(
    new_project: NewProject, server: Database, database: Database, schema: str, driver: str
) -> None:
    project = new_project(database_schema=schema)
    if driver != "asyncpg":
        project = project.given(DB_DRIVER_SYNC=driver)
    with server.another(f'{database.name[-20:]} "it\'s" 数') as odd:
        project = migrated(project.given(**odd.environment), schema)
        clean = project.db("drift")
        assert "The database matches revision" in clean.stderr
        assert clean.stdout == ""
        for statement in BY_HAND:
            with odd.connect() as connection:
                connection.execute(statement.replace("{s}", schema).encode())
        done = project.db("drift", "--json", ok=False)
        found = differences(done)
        unqualified = {name.replace(f"{schema}.", "") for name in found}
        assert unqualified == set(BY_HAND.values())
        current = project.alembic("current").stdout[:12]
        assert f"{len(found)} differences from revision {current}" in done.stderr
        text = project.db("drift", ok=False).stdout
        qualifier = "" if schema == "public" else f"{schema}."
        by_hand = f"index {qualifier}by_hand: only the database\n    CREATE INDEX by_hand ON"
        assert by_hand in text
        assert f"trigger {qualifier}parts touch: only revision" in text
        assert "body text DEFAULT 'x'::text NOT NULL  <- the database" in text
        assert "-- Or so.  <- the database" in text
        assert "-- Done.  <- revision" in text
        assert odd.password not in text


def test_the_replay_is_not_logged_and_prints_stay_out_of_json(new_project: NewProject) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    package = project.path / "src" / project.package / "database" / "__init__.py"
    package.write_text(
        f"{package.read_text()}\nimport logging, sys\nlogging.basicConfig(level=logging.INFO, "
        'stream=sys.stdout)\nprint("imported")\n'
    )
    edit(
        project.versions[0], 'schema to this revision."""\n', 'schema."""\n    print("replayed")\n'
    )
    done = project.db("drift", "--json")
    assert differences(done) == {}
    assert "imported\n" in done.stderr
    assert "replayed\n" in done.stderr
    assert "Running upgrade" not in done.stderr
    assert "Finished upgrade" not in done.stderr


def test_it_has_the_search_path_of_the_database(
    new_project: NewProject, database: Database
) -> None:
    with database.connect() as connection:
        connection.execute(
            f'ALTER DATABASE "{database.name}" SET search_path = public, "My Words"'.encode()
        )
    project = new_project()
    make = ['CREATE SCHEMA "My Words"', "CREATE TYPE \"My Words\".mood AS ENUM ('good')"]
    write_revision(project, "moods", make, 'DROP SCHEMA "My Words" CASCADE')
    write_revision(project, "uses", "CREATE TABLE uses (mood mood)", "DROP TABLE uses")
    project.alembic("upgrade", "head")
    assert "The database matches revision" in project.db("drift").stderr


def test_an_object_can_be_left_out(project: Project, database: Database) -> None:
    database.query("CREATE INDEX by_hand ON parts (at)")
    database.query("CREATE INDEX by_foot ON parts (at)")
    assert project.db("drift", "--ignore", "index by_*").returncode == 0
    left = project.db("drift", "--json", "--ignore", "index by_hand", ok=False)
    assert list(differences(left)) == ["index by_foot"]
    both = ("--ignore", "index by_hand", "--ignore", "index by_foot")
    assert project.db("drift", *both).returncode == 0
    assert differences(project.db("drift", "--json", *both)) == {}


def test_a_blank_line_in_a_function_is_a_difference(project: Project, database: Database) -> None:
    [(source,)] = database.query("SELECT pg_get_functiondef('touch'::regproc)")
    with database.connect() as connection:
        connection.execute(source.replace("\n\n    -- Done.", "\n    -- Done.").encode())
    found = differences(project.db("drift", "--json", ok=False))
    assert list(found) == ["function touch()"]
    assert "(an empty line)  <- revision" in found["function touch()"]


@campaign("schema", ["public", "sales"], keep=["sales"])
def test_what_is_others_is_left_alone(
    new_project: NewProject, database: Database, schema: str
) -> None:
    project = migrated(new_project(database_schema=schema), schema)
    database.query("CREATE SCHEMA others CREATE TABLE theirs (id int)")
    if schema != "public":
        database.query("CREATE TABLE public.theirs (id int)")
    database.query(f"GRANT SELECT ON {schema}.notes TO PUBLIC")
    assert project.db("drift").returncode == 0


def test_the_order_of_columns_is_no_difference(project: Project, database: Database) -> None:
    database.query('ALTER TABLE "odd ""name""" DROP "a b", ADD "a b" int')
    assert project.db("drift").returncode == 0


def test_it_compares_with_the_revision_that_the_database_is_at(
    project: Project, database: Database
) -> None:
    write_revision(project, "later", "CREATE TABLE later ()", "DROP TABLE later")
    assert project.db("drift").returncode == 0
    database.query("CREATE TABLE later ()")
    assert list(differences(project.db("drift", "--json", ok=False))) == ["table later"]


def test_without_anything_to_compare_with_it_says_so(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    text = said(project.db("drift", ok=False))
    assert "There is no revision in" in text
    assert "uv run alembic upgrade head" in text
    assert "Cannot connect to" in said(project.given(DB_PORT="1").db("drift", ok=False))
    project.alembic("upgrade", "head")
    write_revision(project, "bad", "ALTER TABLE nowhere ADD x int", "SELECT 1")
    project.alembic("stamp", "head")
    text = said(project.db("drift", ok=False))
    assert "_bad.py:" in text
    assert 'relation "nowhere" does not exist' in text
    assert "Traceback" not in text


def test_it_changes_nothing(project: Project, database: Database) -> None:
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    state = "SELECT oid, xmin::text, relname FROM pg_class ORDER BY oid"
    before = database.query(state)
    project.db("drift")
    assert database.query(state) == before
    assert git(project, "diff") == ""


def test_drift_is_allowed_with_a_reason(new_project: NewProject, database: Database) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    database.query("CREATE INDEX by_hand ON notes (title)")
    assert "index by_hand" in project.db("drift", ok=False).stdout
    exceptions = project.path / "migrations/exceptions.toml"
    exceptions.write_text('[drift]\n"index by_*" = "the analysts try indexes here"\n')
    project.db("drift")
    database.query("DROP INDEX by_hand")
    assert "'index by_*' in [drift] of migrations/exceptions.toml" in project.db("drift").stderr
