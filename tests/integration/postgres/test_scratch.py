"""Scratch databases: nothing of them is left, whatever happens, and no privilege is needed."""

import re
import signal

import pytest
from project import PATIENCE, Project, said, wait_until
from psycopg import sql
from revisions import revision, write_revision
from roles import a_role
from sample import NewProject
from server import Database

SCRATCH = "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1"

SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE starts_with(datname, %s) AND wait_event = 'PgSleep'"


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A migrated project. Its package's name is its own, and so are its scratch databases."""
    project = new_project(package_name="scratchy")
    project.alembic("upgrade", "head")
    return project


def scratch_databases(database: Database) -> list[str]:
    return [name for (name,) in database.query(SCRATCH, "scratchy_scratch_")]


def slowed(project: Project) -> Project:
    """With a revision that takes a minute, as if it were applied."""
    write_revision(project, "slow", "SELECT pg_sleep(60)", "SELECT 1")
    project.alembic("stamp", "head")
    return project


def test_they_are_dropped_after_work_and_after_errors(project: Project, database: Database) -> None:
    project.db("drift")
    project.db("schema")
    assert scratch_databases(database) == []
    write_revision(project, "bad", "ALTER TABLE nowhere ADD x int", "SELECT 1")
    done = project.db("schema", ok=False)
    assert 'relation "nowhere" does not exist' in said(done)
    assert "Traceback" not in said(done)
    assert "It ran in a scratch database: nothing else was changed." in said(done)
    assert "not marked as applied" not in said(done)
    assert scratch_databases(database) == []


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_they_are_dropped_after_ctrl_c(project: Project, database: Database, driver: str) -> None:
    if driver != "asyncpg":
        project = project.given(DB_DRIVER_SYNC=driver)
    comparing = slowed(project).begin("db", "drift")
    wait_until(lambda: database.value(SLEEPING, "scratchy_scratch_") == 1)
    comparing.send_signal(signal.SIGINT)
    text, _ = comparing.communicate(timeout=PATIENCE)
    assert comparing.returncode == 130, text
    assert "Traceback" not in text
    assert scratch_databases(database) == []


def test_what_a_killed_process_leaves_is_swept_up_by_the_next(
    project: Project, database: Database
) -> None:
    comparing = slowed(project).begin("db", "drift")
    wait_until(lambda: database.value(SLEEPING, "scratchy_scratch_") == 1)
    comparing.kill()
    comparing.communicate()
    [left] = scratch_databases(database)
    assert re.fullmatch(
        rf"scratchy_scratch_[0-9a-f]{{8}}_[0-9a-f]{{8}}_{comparing.pid}_[0-9a-f]+", left
    )
    wait_until(lambda: database.value(SLEEPING, "scratchy_scratch_") == 0)
    revision(project, "slow").unlink()
    project.alembic("stamp", "--purge", "5f0e1c2d3a4b")
    project.db("drift")
    assert scratch_databases(database) == []


@pytest.mark.full
def test_those_of_others_stay(project: Project, server: Database, database: Database) -> None:
    comparing = slowed(project).begin("db", "drift")
    wait_until(lambda: database.value(SLEEPING, "scratchy_scratch_") == 1)
    # Of a machine that is not this one, just made; and of somebody who names things alike.
    now = f"{int(database.value('SELECT extract(epoch FROM now())::bigint')):08x}"
    names = (f"scratchy_scratch_{now}_ffffffff_1_0", "scratchy_scratch_of_mine")
    old = "scratchy_scratch_00000001_ffffffff_1_0"
    with server.another(names[0]), server.another(names[1]), server.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(old)))
        project.db("schema", "5f0e1c2d3a4b")
        left = scratch_databases(database)
        assert set(names) < set(left)
        assert len(left) == 3  # the one that is in use too
        assert old not in left
    comparing.kill()
    comparing.communicate()
    wait_until(lambda: database.value(SLEEPING, "scratchy_scratch_") == 0)
    project.db("schema", "5f0e1c2d3a4b")
    assert scratch_databases(database) == []


def test_a_role_that_may_make_databases_is_enough(
    new_project: NewProject, database: Database
) -> None:
    with a_role(database, "CREATEDB") as owner:
        project = new_project().given(**owner.environment)
        project.alembic("upgrade", "head")
        done = project.db("drift")
        assert "local server" not in done.stderr


def test_without_that_privilege_a_local_server_serves(
    new_project: NewProject, database: Database
) -> None:
    with a_role(database, "NOCREATEDB") as owner:
        project = new_project().given(**owner.environment)
        write_revision(
            project,
            "grant",
            ["CREATE TABLE granted ()", f"GRANT SELECT ON granted TO {quoted(owner.user)}"],
            "DROP TABLE granted",
        )
        project.alembic("upgrade", "head")
        before = owner.query("SELECT datname FROM pg_database ORDER BY 1")
        done = project.db("drift")
        assert "cannot create databases (CREATEDB). The scratch databases are" in done.stderr
        assert "secret" not in said(done)
        owner.query("CREATE INDEX by_hand ON notes (title)")
        assert "index by_hand: only the database" in project.db("drift", ok=False).stdout
        assert owner.query("SELECT datname FROM pg_database ORDER BY 1") == before


def test_without_a_database_schema_is_written_nevertheless(new_project: NewProject) -> None:
    project = new_project()
    nowhere = project.given(DB_PORT="1")
    assert "are on a local server" in nowhere.db("schema").stderr
    of_nowhere = (project.path / "schema.sql").read_text()
    project.db("schema")
    assert (project.path / "schema.sql").read_text() == of_nowhere
    nothing = nowhere.given(PG_BIN="/nowhere")
    done = nothing.db("schema", ok=False)
    assert "PG_BIN is /nowhere" in said(done)
    assert "Traceback" not in said(done)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
