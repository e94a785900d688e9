"""A standby takes no migration, and one that is promoted during a migration is migrated by the next
run.
"""

import pytest
from project import said, wait_until
from revisions import revise
from sample import NewProject
from server import Database
from standby import pair

STANDBY = "The server is a standby, which takes no changes. Migrations need the primary"
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"
TABLES = "SELECT count(*) FROM pg_class WHERE relname IN ('before', 'half')"
SLOW = """\
op.execute("CREATE TABLE half ()")
if op.get_bind().exec_driver_sql("SELECT setting FROM pg_settings WHERE name = 'port'").scalar() == "{port}":
    op.execute("SELECT pg_sleep(600)")"""


@pytest.mark.full
def test_a_standby_is_named_and_promoted_in_the_middle_it_is_migrated(
    new_project: NewProject,
) -> None:
    project = new_project()
    with pair() as servers:
        on_standby = project.given(**servers.second.environment)
        for command in ("alembic upgrade head", "alembic stamp head", "db migrate"):
            assert STANDBY in said(on_standby.run(*command.split(), ok=False)), command
        assert STANDBY in said(on_standby.db("doctor", ok=False))

        project = project.given(**servers.hosts)
        project.alembic("upgrade", "head")
        is_there = "SELECT to_regclass('notes') IS NOT NULL"
        wait_until(lambda: bool(servers.second.value(is_there)))
        assert ", a standby" in on_standby.db("status").stdout
        assert "scratch databases are on a local server" in said(on_standby.db("drift"))

        revise(project, "r1", 'op.execute("CREATE TABLE before ()")')
        revise(project, "r2", SLOW.format(port=servers.first.port), follows="r1")
        migrating = project.begin("alembic", "upgrade", "head")
        wait_until(lambda: servers.first.value(SLEEPING) == 1)
        servers.fail_over()
        text, _ = migrating.communicate(timeout=60)
        assert migrating.returncode != 0, text
        assert "Traceback" not in text
        assert servers.second.query("SELECT version_num FROM alembic_version") == [("r1",)]
        assert servers.second.value(TABLES) == 1  # nothing is half applied
        project.db("migrate")
        assert servers.second.query("SELECT version_num FROM alembic_version") == [("r2",)]
        assert servers.second.value(TABLES) == 2


def test_a_session_that_may_only_read_is_named(new_project: NewProject, database: Database) -> None:
    project = new_project()
    database.query(f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
    text = said(project.alembic("upgrade", "head", ok=False))
    assert "Transactions are read-only, because the role, the database" in text
