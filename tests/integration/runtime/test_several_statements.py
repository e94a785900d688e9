"""Several statements in one string run with every driver."""

import pytest
from project import said
from revisions import revise
from sample import NewProject
from server import Database

UP = """\
op.execute("CREATE TABLE a (b text); INSERT INTO a VALUES (':x;'), ('%');\\n-- why\\nCREATE INDEX i ON a (b)")
op.execute("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT 2; END; SELECT f()")
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY j ON a (b); CREATE INDEX CONCURRENTLY k ON a (b)")"""


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_several_statements_are_executed(
    new_project: NewProject, database: Database, driver: str
) -> None:
    project = new_project().given(DB_DRIVER_ASYNC=driver)
    up = UP if driver == "asyncpg" else "\n".join(UP.splitlines()[:2])
    revise(
        project, "r1", up.replace(":x", r"\\:x"), 'op.execute("DROP TABLE a; DROP FUNCTION f()")'
    )
    project.alembic("upgrade", "head")
    assert database.query("SELECT b FROM a ORDER BY b") == [("%",), (":x;",)]
    found = database.query("SELECT relname FROM pg_class WHERE relname IN ('i', 'j', 'k')")
    assert len(found) == (3 if driver == "asyncpg" else 1)
    project.alembic("downgrade", "-1")
    assert database.value("SELECT to_regclass('a')::text") is None


def test_one_that_fails_takes_back_the_others(new_project: NewProject, database: Database) -> None:
    project = new_project()
    path = revise(project, "r1", 'op.execute("CREATE TABLE a (); SELECT nothing; SELECT 1")')
    text = said(project.alembic("upgrade", "head", ok=False))
    assert f"{path}:" in text
    assert "Statement: SELECT nothing" in text
    assert database.value("SELECT to_regclass('a')::text") is None


def test_one_that_ends_the_transaction_is_refused(new_project: NewProject) -> None:
    project = new_project()
    revise(project, "r1", 'op.execute("CREATE TABLE a (); COMMIT; CREATE TABLE b ()")')
    assert "ends its own transaction with COMMIT" in said(
        project.alembic("upgrade", "head", ok=False)
    )
