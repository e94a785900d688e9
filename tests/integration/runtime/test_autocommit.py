"""Statements outside of transactions, in an autocommit_block: they keep nobody waiting either."""

import time

import pytest
from campaigns import campaign
from edit import edit
from migrating import wait_for
from project import PATIENCE, Project, said, wait_until
from sample import NewProject
from server import Database
from traffic import long_transaction, reading, traffic, waiting_for

WAIT = 1.0  # seconds: DB_MIGRATION_LOCK_WAIT in these tests

REVISION = '''"""By hand"""

from alembic import op

revision = "by_hand"
down_revision = {down_revision!r}


def upgrade() -> None:
    op.execute("CREATE TABLE IF NOT EXISTS before ()")
    op.execute("INSERT INTO log VALUES ('before')")
    with op.get_context().autocommit_block():
{block}
    op.execute("INSERT INTO log VALUES ('after')")


def downgrade() -> None:
    pass
'''

PARTS = """
    CREATE TABLE parts (id int) PARTITION BY RANGE (id);
    CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE part_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
    INSERT INTO parts VALUES (1), (11)
"""


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    project = new_project()
    project.alembic("upgrade", "head")
    database.query("CREATE TABLE log (step text)")
    return project.given(DB_MIGRATION_LOCK_WAIT=str(WAIT), DB_MIGRATION_LOCK_RETRIES="2")


def write(project: Project, *statements: str) -> None:
    """A revision with these statements in an autocommit_block."""
    head = (project.path / "migrations" / "head.txt").read_text().strip()
    block = "\n".join(f"        op.execute({statement!r})" for statement in statements)
    path = project.path / "migrations" / "versions" / "by_hand.py"
    path.write_text(REVISION.format(down_revision=head, block=block))


def steps(database: Database) -> list[str]:
    return [step for (step,) in database.query("SELECT step FROM log")]


@campaign(
    ("statement", "lock"),
    [
        ("ALTER TABLE notes ALTER COLUMN title TYPE text", "notes"),
        ("ALTER TABLE notes ALTER COLUMN title TYPE varchar(300)", "notes"),
        ("VACUUM FULL notes", "notes"),
        ("REINDEX TABLE notes", "pk_notes"),
        ("CALL change()", "notes"),
    ],
    keep=[
        ("ALTER TABLE notes ALTER COLUMN title TYPE text", "notes"),
        ("REINDEX TABLE notes", "pk_notes"),
        ("CALL change()", "notes"),
    ],
)
def test_readers_and_writers_never_wait_long(
    project: Project, database: Database, statement: str, lock: str
) -> None:
    database.query("CREATE PROCEDURE change() LANGUAGE plpgsql AS 'BEGIN LOCK notes; COMMIT; END'")
    write(project, statement)
    with long_transaction(database) as pid, traffic(database) as waits:
        done = project.alembic("upgrade", "head", ok=False)
    text = " ".join(said(done).split())
    assert done.returncode != 0
    assert "Traceback" not in text
    assert f'Could not acquire a lock on "{lock}" for: {statement}' in text
    assert f"It is held by pid {pid} (reporting" in text
    assert max(waits) < WAIT + 0.5
    assert steps(database) == ["before"]


def test_one_that_gets_no_lock_is_tried_again_without_the_rest(
    project: Project, database: Database
) -> None:
    write(project, "ALTER TABLE notes ALTER COLUMN title TYPE text")
    with long_transaction(database):
        migrating = project.begin("alembic", "upgrade", "head")
        wait_for(migrating, "Try 2 of 3")
    text, _ = migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0, text
    assert steps(database) == ["before", "after"]


def test_one_that_is_never_granted_says_what_stays(project: Project, database: Database) -> None:
    write(project, "ALTER TABLE notes ALTER COLUMN title TYPE text")
    with long_transaction(database):
        text = " ".join(said(project.alembic("upgrade", "head", ok=False)).split())
    assert "Tried 3 times. The revision is not applied. What it did before that" in text


def test_code_that_may_commit_midway_is_not_repeated(project: Project, database: Database) -> None:
    database.query(
        "CREATE PROCEDURE change() LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO log VALUES (''half''); COMMIT; LOCK notes; COMMIT; END'"
    )
    write(project, "CALL change()")
    with long_transaction(database):
        text = said(project.alembic("upgrade", "head", ok=False))
    assert "a part of the revision may be committed" in " ".join(text.split())
    assert steps(database) == ["before", "half"]


@campaign(
    ("statement", "blocking"),
    [
        ("CREATE INDEX CONCURRENTLY i ON notes (title)", "INSERT INTO notes (title) VALUES ('x')"),
        ("DROP INDEX CONCURRENTLY ix_notes_created_at", "SELECT FROM notes"),
        ("REINDEX INDEX CONCURRENTLY ix_notes_created_at", "SELECT FROM notes"),
        ("REINDEX (CONCURRENTLY) TABLE notes", "INSERT INTO notes (title) VALUES ('x')"),
        ("ALTER TABLE parts DETACH PARTITION part_1 CONCURRENTLY", "SELECT FROM parts"),
        ("ALTER TABLE parts DETACH PARTITION part_1 CONCURRENTLY", "INSERT INTO parts VALUES (2)"),
    ],
    keep=[
        ("CREATE INDEX CONCURRENTLY i ON notes (title)", "INSERT INTO notes (title) VALUES ('x')"),
        ("REINDEX (CONCURRENTLY) TABLE notes", "INSERT INTO notes (title) VALUES ('x')"),
        ("ALTER TABLE parts DETACH PARTITION part_1 CONCURRENTLY", "SELECT FROM parts"),
    ],
)
def test_what_runs_concurrently_waits_for_as_long_as_it_has_to(
    project: Project, database: Database, statement: str, blocking: str
) -> None:
    database.query(PARTS)
    edit(project.library / "runtime" / "reports.py", "SAY_EVERY = 5.0", "SAY_EVERY = 0.5")
    # Others around it have the limit, and it does not stay without one after it.
    write(project, "ALTER TABLE log ADD COLUMN a int", statement, "ALTER TABLE log DROP COLUMN a")
    with database.connect() as holder, holder.transaction():
        holder.execute(blocking.encode())
        migrating = project.begin("alembic", "upgrade", "head")
        wait_until(lambda: waits_for_transactions(database))
        time.sleep(2 * WAIT)
        assert waits_for_transactions(database)
    text, _ = migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0, text
    assert "Try" not in text
    assert "Waiting for older transactions, held by pid" in text
    assert database.query("SELECT FROM pg_index WHERE NOT indisvalid") == []
    assert database.query("SELECT FROM pg_inherits WHERE inhdetachpending") == []


def test_the_limit_is_back_after_what_runs_concurrently(
    project: Project, database: Database
) -> None:
    write(
        project,
        "CREATE INDEX CONCURRENTLY i ON notes (title)",
        "ALTER TABLE log ADD COLUMN a int",
    )
    with reading(database, "log"), traffic(database):
        text = said(project.alembic("upgrade", "head", ok=False))
    assert 'Could not acquire a lock on "log"' in " ".join(text.split())


def test_a_partition_that_is_read_directly_is_detached_without_keeping_its_readers_waiting(
    project: Project, database: Database
) -> None:
    """At its end DETACH PARTITION CONCURRENTLY needs the partition for itself."""
    database.query(PARTS)
    write(project, "ALTER TABLE parts DETACH PARTITION part_1 CONCURRENTLY")
    with database.connect() as reader, reading(database, "part_1"):
        migrating = project.begin("alembic", "upgrade", "head")
        wait_until(lambda: waiting_for(database, "part_1"))
        began = time.monotonic()
        reader.execute("SELECT FROM part_1")
        assert time.monotonic() - began < 1.5 * WAIT
        wait_for(migrating, "Try 2 of 3")
    text, _ = migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0, text
    left = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'parts'::regclass"
    assert database.query(left) == [("part_2",)]
    assert steps(database) == ["before", "after"]


def waits_for_transactions(database: Database) -> bool:
    statement = (
        "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE NOT l.granted AND l.locktype = 'virtualxid' AND a.datname = %s"
    )
    return bool(database.query(statement, database.name))
