"""`db reset`: a new database in place of the old one, which stays until the new one is complete."""

from dataclasses import replace

import psycopg
import pytest
from campaigns import campaign
from project import Project, said, wait_until
from psycopg import sql
from revisions import current, revision, write_revision
from roles import a_role
from sample import NewProject
from server import Database
from terminal import on_a_terminal

DATABASES = "SELECT datname FROM pg_database WHERE datname LIKE '%%scratch%%' AND datname LIKE %s"

SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    """A migrated project with a row in its database. Its package's name is its own."""
    project = new_project(package_name="resetting")
    project.alembic("upgrade", "head")
    database.query("INSERT INTO notes (title) VALUES ('mine')")
    return project


def rows(database: Database) -> int:
    return int(database.value("SELECT count(*) FROM notes"))


def refused(project: Project, *words: str) -> str:
    done = project.db("reset", *words, ok=False)
    assert done.returncode == 1
    assert "Traceback" not in said(done)
    return " ".join(said(done).split())


def scratch(database: Database) -> list[str]:
    return [name for (name,) in database.query(DATABASES, "resetting%")]


@campaign(
    ("schema", "driver"),
    [("public", "asyncpg"), ("sales", "asyncpg"), ("public", "psycopg")],
    keep=[("sales", "asyncpg"), ("public", "psycopg")],
)
def test_the_database_is_new_and_at_the_newest_revision(
    new_project: NewProject, server: Database, database: Database, schema: str, driver: str
) -> None:
    project = new_project(database_schema=schema)
    if driver != "asyncpg":
        project = project.given(DB_DRIVER_SYNC=driver)
    with server.another(f'{database.name[-20:]} "it\'s" 数') as odd:
        project = project.given(**odd.environment)
        project.alembic("upgrade", "head")
        table = sql.Identifier(schema, "notes")
        with odd.connect() as connection:
            connection.execute(sql.SQL("INSERT INTO {} (title) VALUES ('x')").format(table))
            connection.execute("CREATE TABLE by_hand ()")
        write_revision(
            project, "more", f"CREATE TABLE {schema}.more ()", f"DROP TABLE {schema}.more"
        )
        done = project.db("reset", "--yes")
        assert f'Database "{odd.name}" is new, and at the newest revision' in done.stderr
        assert odd.password not in said(done)
        assert project.db("drift").returncode == 0
        assert odd.query("SELECT 1 FROM pg_class WHERE relname = 'by_hand'") == []
        with odd.connect() as connection:
            assert connection.execute(sql.SQL("SELECT * FROM {}").format(table)).fetchall() == []
        assert "head" in project.alembic("current").stdout
    project = project.given(**odd.environment)
    project.db("reset")  # there is none: nothing to ask about
    assert "head" in project.alembic("current").stdout
    odd = replace(odd, name="postgres")
    with odd.connect() as connection:
        name = project.environment["DB_NAME"]
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def test_it_asks_before_it_drops(project: Project, database: Database) -> None:
    text = refused(project)
    assert f'database "{database.name}"' in text
    assert "it has 2 tables with about" in text
    assert "no terminal for the question. Add --yes" in text
    command = ("db", "reset")
    said, code = on_a_terminal(project, command, [("This drops", "n")])
    assert code == 1
    assert "Nothing was done" in said
    assert rows(database) == 1
    said, code = on_a_terminal(project, command, [("This drops", "y")])
    assert code == 0, said
    assert rows(database) == 0


def test_another_machine_s_is_refused(project: Project, database: Database) -> None:
    for host in ("db.example.com", "10.0.0.1", "staging"):
        text = refused(project.given(DB_HOST=host), "--yes")
        assert f"on {host}:{database.port}" in text
        assert "is on another machine" in text
        assert "uv run db reset --force" in text
    here = project.given(DB_MIGRATION_HOST="db.example.com")
    assert "is on another machine" in refused(here, "--yes")


def test_one_that_is_marked_is_refused_unless_told(project: Project, database: Database) -> None:
    name = sql.Identifier(database.name)
    with database.connect() as connection:
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS 'The Production one'").format(name))
    text = refused(project, "--yes")
    assert 'is "The Production one"' in text
    assert rows(database) == 1
    assert "Add --yes" in refused(project, "--force")  # which is no yes
    project.db("reset", "--yes", "--force")
    assert rows(database) == 0


def test_the_old_one_stays_where_a_revision_fails(project: Project, database: Database) -> None:
    write_revision(project, "bad", "ALTER TABLE nowhere ADD x int", "SELECT 1")
    text = refused(project, "--yes")
    assert 'relation "nowhere" does not exist' in text
    assert rows(database) == 1
    assert current(project) == "5f0e1c2d3a4b"
    assert scratch(database) == []


def test_killed_in_the_middle_it_has_done_nothing(project: Project, database: Database) -> None:
    write_revision(project, "slow", "SELECT pg_sleep(60)", "SELECT 1")
    resetting = project.begin("db", "reset", "--yes")
    wait_until(lambda: database.value(SLEEPING) >= 1)
    resetting.kill()
    resetting.communicate()
    assert rows(database) == 1
    assert len(scratch(database)) == 1
    in_scratch = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'resetting_scratch%%'"
    wait_until(lambda: database.value(in_scratch) == 0)
    revision(project, "slow").unlink()
    project.db("reset", "--yes")
    assert rows(database) == 0
    assert scratch(database) == []


def test_killed_after_the_drop_it_is_finished_by_the_next(
    project: Project, server: Database, database: Database
) -> None:
    with server.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(database.name)))
        made = sql.Identifier("resetting_scratch_00000001_ffffffff_1_0")
        connection.execute(sql.SQL("CREATE DATABASE {}").format(made))
    project.db("reset")
    assert rows(database) == 0
    assert scratch(database) == []


def test_sessions_that_use_it_are_named_and_ended(project: Project, database: Database) -> None:
    with database.connect() as connection:
        assert "and 1 session is connected" in refused(project)
        project.db("reset", "--yes")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_one_that_is_being_migrated_is_left_alone(project: Project, database: Database) -> None:
    write_revision(project, "slow", "SELECT pg_sleep(60)", "SELECT 1")
    migrating = project.begin("alembic", "upgrade", "head")
    wait_until(lambda: database.value(SLEEPING) >= 1)
    text = refused(project, "--yes")
    migrating.kill()
    migrating.communicate()
    assert "Another process is migrating this database: pid" in text
    assert rows(database) == 1


def test_without_the_privilege_it_says_so(new_project: NewProject, database: Database) -> None:
    with a_role(database, "NOCREATEDB") as owner:
        project = new_project().given(**owner.environment)
        project.alembic("upgrade", "head")
        text = refused(project, "--yes")
        assert "CREATEDB" in text
        assert "secret" not in text
        assert current(project) == "5f0e1c2d3a4b"


def test_a_server_that_does_not_answer_is_a_sentence(project: Project) -> None:
    assert "Is the server running?" in refused(project.given(DB_PORT="1"), "--yes")
