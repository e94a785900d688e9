"""Timeouts of the role or the database, made for the service, do not end a migration."""

import time

import pytest
from campaigns import campaign
from migrating import held_lock, wait_for
from project import PATIENCE
from sample import NewProject
from server import Database

REVISION = '''"""By hand"""

import time

from alembic import op

revision = "by_hand"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE TABLE a ()")
    op.execute("SELECT pg_sleep(1)")
    time.sleep(1)
    op.execute("CREATE TABLE b ()")
    with op.get_context().autocommit_block():
        op.execute("SELECT pg_sleep(1)")
        time.sleep(1)
    op.execute("CREATE TABLE c ()")


def downgrade() -> None:
    pass
'''

# By the first version of Postgres that has each.
TIMEOUTS = {
    "statement_timeout": 9,
    "idle_in_transaction_session_timeout": 9,
    "idle_session_timeout": 14,
    "transaction_timeout": 17,
}


@campaign("timeout", [*TIMEOUTS], keep=["statement_timeout", "idle_session_timeout"])
def test_a_timeout_of_the_database_does_not_end_a_migration(
    new_project: NewProject, database: Database, timeout: str
) -> None:
    version = int(database.value("SHOW server_version_num")) // 10_000
    if version < TIMEOUTS[timeout]:
        pytest.skip(f"PostgreSQL {version} does not have it")
    project = new_project(example=False)
    (project.path / "migrations" / "versions" / "by_hand.py").write_text(REVISION)
    with held_lock(database):  # which is connected before, and idle
        database.query(f"ALTER DATABASE \"{database.name}\" SET {timeout} = '500ms'")
        migrating = project.begin("alembic", "upgrade", "head")
        wait_for(migrating, "Waiting for another process that migrates")
        time.sleep(1)
    text, _ = migrating.communicate(timeout=PATIENCE)
    assert migrating.returncode == 0, text
    assert database.value("SELECT to_regclass('c')::text") == "c"
