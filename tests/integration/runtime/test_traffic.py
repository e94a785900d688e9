"""Migrations amid traffic: what waits for a lock does not keep readers and writers waiting."""

import time

import pytest
from edit import edit
from migrating import wait_for
from project import PATIENCE, Project, said, wait_until
from revisions import write_upgrade
from sample import NewProject
from server import Database
from traffic import long_transaction, traffic, waiting_for

WAIT = 1.0  # seconds: DB_MIGRATION_LOCK_WAIT in these tests

UP = '    """Bring the schema to this revision."""\n'


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A project whose next revision needs the table of notes for itself."""
    project = new_project()
    project.alembic("upgrade", "head")
    write_upgrade(project, '    op.execute("ALTER TABLE notes ADD COLUMN pages int")\n')
    return project.given(DB_MIGRATION_LOCK_WAIT=str(WAIT), DB_MIGRATION_LOCK_RETRIES="2")


def test_readers_and_writers_never_wait_long(project: Project, database: Database) -> None:
    with long_transaction(database) as pid, traffic(database) as waits:
        began = time.monotonic()
        done = project.alembic("upgrade", "head", ok=False)
        took = time.monotonic() - began
    text = " ".join(said(done).split())
    assert done.returncode != 0
    assert "Traceback" not in text
    assert 'Could not acquire a lock on "notes" for: ALTER TABLE notes ADD COLUMN pages int' in text
    assert f"It is held by pid {pid} (reporting, idle in transaction, for" in text
    assert "Try 2 of 3 in" in text
    assert "Try 3 of 3 in" in text
    assert "Tried 3 times. The revision is not applied." in text
    assert took > 3 * WAIT
    assert len(waits) > 100  # there was traffic
    assert WAIT / 2 < max(waits) < WAIT + 0.5  # the migration was in its way, for no longer
    assert project.alembic("current").stdout == "5f0e1c2d3a4b\n"


def test_it_succeeds_once_the_lock_is_free(project: Project, database: Database) -> None:
    with long_transaction(database):
        migrating = project.begin("alembic", "upgrade", "head")
        wait_for(migrating, "Try 2 of 3")
    text, _ = migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0, text
    assert "Finished upgrade" in text
    assert project.alembic("current").stdout.endswith("(head)\n")


def test_a_retry_takes_the_step_that_failed_and_not_one_more(
    project: Project, database: Database
) -> None:
    project.file("migrations/versions/*_by_hand.py").rename(
        project.path / "migrations" / "versions" / "2_before.py"
    )
    write_upgrade(project, '    op.execute("CREATE TABLE next ()")\n')
    with long_transaction(database):
        migrating = project.begin("alembic", "upgrade", "+1")
        wait_for(migrating, "Try 2 of 3")
    migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0
    assert database.value("SELECT to_regclass('next')::text") is None


def test_a_deadlock_is_tried_again(project: Project, database: Database) -> None:
    database.query("CREATE TABLE other ()")
    path = project.file("migrations/versions/*_by_hand.py")
    edit(path, UP, UP + '    op.execute("LOCK other")\n    op.execute("SELECT pg_sleep(0.5)")\n')
    patient = project.given(DB_MIGRATION_LOCK_WAIT="20")
    with database.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL deadlock_timeout = '60s'")  # the migration is the victim
        connection.execute("LOCK notes")
        migrating = patient.begin("alembic", "upgrade", "head")
        wait_until(
            lambda: bool(
                database.query(
                    "SELECT 1 FROM pg_locks l WHERE l.granted"
                    " AND relation = 'other'::regclass AND mode = 'AccessExclusiveLock'"
                )
            )
        )
        connection.execute("LOCK other")
    text, _ = migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0, text
    assert "Try 2 of 3" in text


def test_a_table_is_not_kept_while_others_are_waited_for(
    project: Project, database: Database
) -> None:
    database.query("CREATE TABLE a (); CREATE TABLE b ()")
    path = project.file("migrations/versions/*_by_hand.py")
    more = '    op.execute("ALTER TABLE a ADD COLUMN x int")\n    op.execute("DROP TABLE b")\n'
    edit(path, 'pages int")\n', f'pages int")\n{more}')
    with database.connect() as one, database.connect() as two, traffic(database) as waits:
        with one.transaction():
            one.execute("SELECT FROM a")
            two.execute("BEGIN; SELECT FROM b")
            migrating = project.begin("alembic", "upgrade", "head")
            wait_until(lambda: waiting_for(database, "a"))
            time.sleep(0.6 * WAIT)
        wait_for(migrating, 'Could not acquire a lock on "b" for: DROP TABLE b')
        two.execute("COMMIT")
        text, _ = migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0, text
    assert max(waits) < 1.5 * WAIT  # and not 1.6, for one and then the other


def test_who_is_in_the_way_is_named_and_nobody_else(project: Project, database: Database) -> None:
    path = project.file("migrations/versions/*_by_hand.py")
    database.query("INSERT INTO notes (title) VALUES ('one')")
    for statement, lock, blocking in (
        ("DROP INDEX ix_notes_created_at", '"notes"', "SELECT FROM notes"),
        ("UPDATE notes SET body = 'x'", "a row", "UPDATE notes SET body = 'y'"),
    ):
        path.write_text(
            path.read_text().split("def upgrade")[0]
            + f'def upgrade() -> None:\n    op.execute("{statement}")\n'
        )
        with database.connect() as bystander, database.connect() as holder:
            bystander.execute("SET application_name = 'bystander'")
            with bystander.transaction(), holder.transaction():
                bystander.execute("SELECT FROM alembic_version; CREATE TABLE notes_2 ()")
                holder.execute(blocking.encode())
                pid = holder.info.backend_pid
                done = project.alembic("upgrade", "head", ok=False)
        text = " ".join(said(done).split())
        assert f"Could not acquire a lock on {lock} for: {statement}" in text
        assert f"It is held by pid {pid} (" in text
        assert "bystander" not in text
        database.query("DROP TABLE IF EXISTS notes_2")


def test_a_lock_that_fails_at_the_commit_is_tried_again(
    project: Project, database: Database
) -> None:
    database.query(
        "CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents VALUES (1);"
        "CREATE TABLE children (parent_id int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"
    )
    path = project.file("migrations/versions/*_by_hand.py")
    edit(path, "ALTER TABLE notes ADD COLUMN pages int", CHILD)
    with database.connect() as connection, connection.transaction():
        connection.execute("DELETE FROM parents")
        done = project.alembic("upgrade", "head", ok=False)
    text = " ".join(said(done).split())
    assert "at the commit" in text
    assert "Tried 3 times. The revision is not applied." in text
    assert database.query("SELECT * FROM children") == []


CHILD = "INSERT INTO children VALUES (1)"


def test_what_the_driver_refuses_is_no_lost_connection(
    project: Project, database: Database
) -> None:
    path = project.file("migrations/versions/*_by_hand.py")
    head = path.read_text().split("def upgrade")[0]
    run = "op.get_bind().connection.cursor().execute"
    path.write_text(head + f'def upgrade() -> None:\n    {run}("SELECT 1/0")\n')
    text = " ".join(said(project.alembic("upgrade", "head", ok=False)).split())
    assert "by_hand.py:" in text
    assert "division by zero" in text
    assert "connection was lost" not in text
    path.write_text(head + f'def upgrade() -> None:\n    {run}("LOCK TABLE notes")\n')
    with long_transaction(database):
        text = said(project.alembic("upgrade", "head", ok=False))
    assert "Try 2 of 3" in text


def test_what_concerns_a_password_is_not_shown(project: Project) -> None:
    path = project.file("migrations/versions/*_by_hand.py")
    edit(path, "ALTER TABLE notes ADD COLUMN pages int", "ALTER ROLE absent PASSWORD 's3cr3t''x'")
    text = said(project.alembic("upgrade", "head", ok=False))
    assert "ALTER ROLE absent PASSWORD '…'" in " ".join(text.split())
    assert "s3cr3t" not in text


def test_a_statement_timeout_can_be_set(project: Project, database: Database) -> None:
    path = project.file("migrations/versions/*_by_hand.py")
    edit(path, UP, UP + '    op.execute("SELECT pg_sleep(2)")\n')
    limited = project.given(DB_MIGRATION_STATEMENT_TIMEOUT="0.5")
    done = limited.alembic("upgrade", "head", ok=False)
    assert "canceling statement due to statement timeout" in " ".join(said(done).split())
    project.alembic("upgrade", "head")


def test_half_of_a_revision_is_not_done_twice(project: Project, database: Database) -> None:
    path = project.file("migrations/versions/*_by_hand.py")
    edit(
        path,
        UP,
        UP
        + '    op.execute("CREATE TABLE half ()")\n'
        + "    with op.get_context().autocommit_block():\n"
        + '        op.execute("VACUUM notes")\n',
    )
    with long_transaction(database):
        done = project.alembic("upgrade", "head", ok=False)
    text = " ".join(said(done).split())
    assert "a part of the revision may be committed" in text
    assert "Traceback" not in text
    assert "already exists" not in text
