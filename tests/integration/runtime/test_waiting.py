"""What counts as waiting for a lock, and what happens when a revision waits too long."""

import re
import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest
from edit import edit
from migrating import busy, wait_for
from project import PATIENCE, Project, said, wait_until
from proxy import proxy
from psycopg import sql
from roles import a_role
from sample import NewProject
from server import Database
from terminal import on_a_terminal
from traffic import readers, reading, waiting_for

WAIT = 1.0  # seconds: DB_MIGRATION_LOCK_WAIT in these tests

REVISION = '''"""By hand"""

from alembic import op

revision = "by_hand"
down_revision = None


def upgrade() -> None:
{}


def downgrade() -> None:
    pass
'''

# A rewrite that takes as many tenths of a second as the table has rows.
BIG = """
    CREATE TABLE big (id int); INSERT INTO big SELECT generate_series(1, 30);
    CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE c (id int);
    CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql VOLATILE
        AS 'BEGIN PERFORM pg_sleep(0.1); RETURN 1; END';
"""
REWRITE = "ALTER TABLE big ADD COLUMN c int DEFAULT slow()"


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    project = new_project(example=False)
    database.query(BIG)
    return project.given(DB_MIGRATION_LOCK_WAIT=str(WAIT), DB_MIGRATION_LOCK_RETRIES="2")


def write(project: Project, *statements: str) -> None:
    """A revision of these statements."""
    lines = "\n".join(f"    op.execute({statement!r})" for statement in statements)
    (project.path / "migrations" / "versions" / "by_hand.py").write_text(REVISION.format(lines))


def columns(database: Database, table: str) -> int:
    return int(
        database.value(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0",
            table,
        )
    )


def test_running_time_is_not_waiting_time(project: Project, database: Database) -> None:
    write(project, REWRITE, "ALTER TABLE a ADD COLUMN x int", "ALTER TABLE b ADD COLUMN x int")
    with ExitStack() as stack:
        for table in ("big", "a", "b"):
            stack.enter_context(readers(database, table, seconds=0.6 * WAIT))
        text = said(project.alembic("upgrade", "head"))
    assert "Try" not in text
    assert columns(database, "b") == 2


def test_one_statement_still_waits_no_longer_than_it_may_after_much_work(
    project: Project, database: Database
) -> None:
    write(project, REWRITE, "ALTER TABLE a ADD COLUMN x int")
    with reading(database, "a"):
        migrating = project.begin("alembic", "upgrade", "head")
        began = time.monotonic()
        wait_for(migrating, 'Could not acquire a lock on "a" for: ALTER TABLE a ADD COLUMN x int')
        assert time.monotonic() - began < PATIENCE
    text, _ = migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0, text


def test_a_statement_that_needs_several_locks_has_one_limit_for_all(
    project: Project, database: Database
) -> None:
    write(project, "ALTER TABLE c ADD COLUMN x int", "DROP TABLE a, b")
    with database.connect() as one, database.connect() as two, database.connect() as reader:
        one.execute("BEGIN; SELECT FROM a")
        two.execute("BEGIN; SELECT FROM b")
        migrating = project.begin("alembic", "upgrade", "head")
        wait_until(lambda: waiting_for(database, "a"))
        released = threading.Timer(0.7 * WAIT, one.execute, args=("COMMIT",))
        released.start()
        began = time.monotonic()
        reader.execute("SELECT FROM c")  # waits for the migration
        waited = time.monotonic() - began
        released.join()
        wait_for(
            migrating, 'Could not acquire a lock on "b" for: DROP TABLE a, b. It is held by pid'
        )
        two.execute("COMMIT")
    text, _ = migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0, text
    assert 0.7 * WAIT < waited < 1.5 * WAIT  # and not 1.7


def test_a_revision_may_have_a_limit_of_its_own(project: Project, database: Database) -> None:
    write(project, "SET LOCAL lock_timeout = '60s'", "ALTER TABLE a ADD COLUMN x int")
    with reading(database, "a"):
        migrating = project.begin("alembic", "upgrade", "head")
        wait_until(lambda: waiting_for(database, "a"))
        time.sleep(2 * WAIT)
        assert waiting_for(database, "a")
    text, _ = migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0, text
    assert "Try" not in text


def test_who_is_in_the_way_of_the_commit_is_named(project: Project, database: Database) -> None:
    database.query(
        "CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents VALUES (1);"
        "CREATE TABLE children (parent_id int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"
    )
    write(project, "INSERT INTO children VALUES (1)")
    with database.connect() as holder, holder.transaction():
        holder.execute("DELETE FROM parents")
        text = " ".join(said(project.alembic("upgrade", "head", ok=False)).split())
        assert f"at the commit. It is held by pid {holder.info.backend_pid} (" in text


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_how_often_the_server_is_asked_does_not_depend_on_its_speed(
    project: Project, database: Database, driver: str
) -> None:
    if driver == "psycopg":
        project = project.given(DB_DRIVER_SYNC=driver)

    def round_trips(pause: float) -> int:
        write(
            project,
            f"CREATE TABLE d AS SELECT pg_sleep({pause})::text AS t",
            "ALTER TABLE a ADD COLUMN x int",
            "ALTER TABLE b ADD COLUMN x int",
        )
        with proxy(database.host, database.port) as relay:
            through = replace(database, port=relay.port)
            project.given(**through.environment).alembic("upgrade", "head")
            count = relay.round_trips_of[0]  # and not of the connection that watches it
        database.query("DROP TABLE d, alembic_version; ALTER TABLE a DROP x; ALTER TABLE b DROP x")
        return count

    assert round_trips(0) == round_trips(0.3)


def test_a_locked_version_table_is_named_and_waited_for(
    project: Project, database: Database
) -> None:
    write(project, "CREATE TABLE d ()")
    project.alembic("upgrade", "head")
    with database.connect() as holder, holder.transaction():
        holder.execute("LOCK alembic_version")
        held = f'"alembic_version", held by pid {holder.info.backend_pid} ('
        began = time.monotonic()
        migrating = project.begin("db", "migrate")
        wait_for(migrating, f"Waiting for {held}")
        assert time.monotonic() - began < 9  # the fast path waits one second
        assert f"It waited for {held}" in project.db("doctor", ok=False).stdout
        assert f"It waited for {held}" in said(project.db("status", ok=False))
        current = project.begin("alembic", "current")
        wait_for(current, f"Waiting for {held}")
    for each in (migrating, current):
        text, _ = each.communicate(timeout=PATIENCE)
        assert each.returncode == 0, text
        assert "Executed in" not in text  # that is for statements of revisions


def test_the_doctor_says_what_a_migration_waits_for(project: Project, database: Database) -> None:
    write(project, "SET LOCAL lock_timeout = '60s'", "ALTER TABLE a ADD COLUMN x int")
    with reading(database, "a"):
        migrating = project.begin("alembic", "upgrade", "head")
        wait_until(lambda: waiting_for(database, "a"))
        seen = project.db("doctor", ok=False).stdout
        assert 'is migrating. It waits for "a", held by pid' in seen
        assert "SELECT pg_terminate_backend(" in seen
        second = project.begin("alembic", "upgrade", "head")
        wait_for(second, 'It waits for "a", held by pid')  # the replica that waits for the lock
    for each in (migrating, second):
        text, _ = each.communicate(timeout=PATIENCE)
        assert each.returncode == 0, text


def test_a_limit_of_one_connection(project: Project, database: Database) -> None:
    """A migration needs one. Without a second one it cannot name its waits, and says so."""
    write(project, "ALTER TABLE a ADD COLUMN x int", "SELECT pg_sleep(60)")
    with a_role(database, "CONNECTION LIMIT 1") as owner:
        database.query("GRANT ALL ON SCHEMA public TO PUBLIC")
        for table in ("a", "b"):
            with database.connect() as connection:
                connection.execute(
                    sql.SQL("ALTER TABLE {} OWNER TO {}").format(
                        sql.Identifier(table), sql.Identifier(owner.user)
                    )
                )
        own = project.given(**owner.environment)
        killed = own.begin("alembic", "upgrade", "head")
        wait_until(lambda: busy(database, "pg_sleep"))
        text = said(own.db("status", ok=False))
        assert "too many connections for role" in text
        assert "CONNECTION LIMIT 10;" in text
        killed.kill()
        killed.communicate()
        write(project, "ALTER TABLE a ADD COLUMN x int")
        with reading(database, "a"):
            migrating = own.begin("db", "migrate")  # while the server notices the killed client
            wait_for(migrating, "Waits are not named, because that needs a second connection.")
            wait_for(migrating, "unknown: there is no second connection to ask. Try 2 of 3")
        text, _ = migrating.communicate(timeout=PATIENCE)
        assert migrating.returncode == 0, text
        assert "nothing to do" in said(own.db("migrate"))


def test_the_progress_of_a_long_statement(project: Project, database: Database) -> None:
    """In a log a line every few seconds, on a terminal a line that is rewritten in place."""
    write(project, "SELECT pg_sleep(2.2)")
    edit(project.library / "runtime" / "reports.py", "SAY_EVERY = 5.0", "SAY_EVERY = 0.8")
    sleeps = "waits in pg_sleep() (Timeout: PgSleep): SELECT pg_sleep(2.2)"
    text = said(project.db("migrate"))
    assert f"Running for 1 s, {sleeps}\n" in text
    assert "Executed in 2.2" in text
    assert "\r" not in text
    project.alembic("stamp", "base")
    text, code = on_a_terminal(project, ["db", "migrate"], [])
    assert code == 0
    assert "Running for" not in text
    assert re.search(rf"\r\x1b\[K1 s, {re.escape(sleeps)}\r\x1b\[K", text)
    assert re.search(r"\x1b\[KINFO  \[alembic.migrations\] Executed in 2.2", text)


def test_a_revision_of_many_short_statements(project: Project, database: Database) -> None:
    write(project, *(["SELECT pg_sleep(0.05)"] * 40))
    edit(project.library / "runtime" / "reports.py", "SAY_EVERY = 5.0", "SAY_EVERY = 0.8")
    found = re.findall(
        r"Revision by_hand runs for \d s: (\d+) statements", said(project.db("migrate"))
    )
    assert 5 < int(found[0]) < 40
    project.alembic("stamp", "base")
    text, code = on_a_terminal(project, ["db", "migrate"], [])
    assert code == 0
    assert re.search(r"\r\x1b\[K\d s, \d+ statements: revision by_hand\r\x1b\[K", text)
    del database
