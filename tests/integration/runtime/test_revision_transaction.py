"""A revision that ends its own transaction is refused before anything is lost."""

from pathlib import Path

import pytest
from campaigns import campaign
from project import Project, said
from sample import NewProject
from server import Database

REVISION = '''"""{revision}"""

from alembic import op
from sqlalchemy import text
from sqlalchemy.orm import Session

revision = "{revision}"
down_revision = {down_revision!r}


def insert() -> None:
    op.execute("INSERT INTO rows VALUES (1)")


def upgrade() -> None:
{body}


def downgrade() -> None:
{body}
'''

FIRST = """\
    op.execute("CREATE TABLE IF NOT EXISTS rows (id int)")
    op.execute(
        "CREATE OR REPLACE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'"
    )
"""

REFUSED = {
    "commit()": "insert()\nop.get_bind().commit()\ninsert()",
    "commit() at the end": "insert()\nop.get_bind().commit()",
    "commit() and begin()": "op.get_bind().commit()\nwith op.get_bind().begin():\n    insert()",
    "commit() of the transaction": "insert()\nop.get_bind().get_transaction().commit()",
    "commit() that is caught": "insert()\ntry:\n    op.get_bind().commit()\nexcept Exception:\n    pass",
    "rollback()": "insert()\nop.get_bind().rollback()\ninsert()",
    "rollback() of a session": "insert()\nSession(op.get_bind()).execute(text('SELECT 1'))\n"
    "s = Session(op.get_bind())\ns.execute(text('SELECT 1'))\ns.rollback()\ninsert()",
    "close()": "insert()\nop.get_bind().close()",
    "with": "with op.get_bind():\n    insert()",
    "COMMIT": "insert()\nop.execute('COMMIT')\ninsert()",
    "COMMIT in a comment's company": "insert()\nop.execute('/* now */ -- really\\n commit work;')",
    "COMMIT that is caught": "insert()\ntry:\n    op.execute('COMMIT')\nexcept Exception:\n    pass",
    "END": "insert()\nop.execute('END')\ninsert()",
    "ROLLBACK": "insert()\nop.execute('ROLLBACK')\ninsert()",
    "ABORT": "insert()\nop.execute('ABORT')\ninsert()",
    "COMMIT AND CHAIN": "insert()\nop.execute('COMMIT AND CHAIN')\ninsert()",
    "ROLLBACK AND CHAIN": "insert()\nop.execute('ROLLBACK AND CHAIN')\ninsert()",
    "PREPARE TRANSACTION": "insert()\nop.execute(\"PREPARE TRANSACTION 'x'\")",
    "one of several": "op.execute('INSERT INTO rows VALUES (1); COMMIT; INSERT INTO rows VALUES (1)')",
    "the driver's rollback()": "insert()\nop.get_bind().connection.rollback()\ninsert()",
    "the driver's ROLLBACK": "insert()\nop.get_bind().connection.cursor().execute('ROLLBACK')",
    "commit() in an autocommit_block": "with op.get_context().autocommit_block():\n"
    "    op.get_bind().commit()\n    insert()",
}

# Refused by SQLAlchemy or by Postgres; here it is said what to do.
EXPLAINED = {
    "begin()": "insert()\nwith op.get_bind().begin():\n    insert()",
    "CALL": "insert()\nop.execute('CALL commits()')",
    "DO": "insert()\nop.execute('DO $$ BEGIN COMMIT; END $$')",
    "VACUUM": "insert()\nop.execute('VACUUM rows')",
}

# Two rows each.
ALLOWED = {
    "nothing": "insert()\ninsert()",
    "commit() of a session": "with Session(op.get_bind()) as s:\n"
    "    s.execute(text('INSERT INTO rows VALUES (1)'))\n    s.commit()\ninsert()",
    "a session that is closed": "with Session(op.get_bind()) as s:\n"
    "    s.execute(text('SELECT 1'))\ninsert()\ninsert()",
    "begin_nested()": "with op.get_bind().begin_nested():\n    insert()\ninsert()",
    "rollback() of a savepoint": "nested = op.get_bind().begin_nested()\ninsert()\n"
    "nested.rollback()\ninsert()\ninsert()",
    "SAVEPOINT": "op.execute('SAVEPOINT a')\ninsert()\nop.execute('ROLLBACK TO SAVEPOINT a')\n"
    "insert()\nop.execute('RELEASE a')\ninsert()",
    "autocommit_block": "insert()\nwith op.get_context().autocommit_block():\n"
    "    op.execute('VACUUM rows')\n    insert()",
    "two autocommit_blocks": "for _ in range(2):\n    with op.get_context().autocommit_block():\n"
    "        insert()",
    "a transaction in an autocommit_block": "with op.get_context().autocommit_block():\n"
    "    op.execute('BEGIN')\n    insert()\n    insert()\n    op.execute('COMMIT')",
    "CALL in an autocommit_block": "with op.get_context().autocommit_block():\n"
    "    insert()\n    op.execute('CALL commits()')\ninsert()",
    "BEGIN": "op.execute('BEGIN')\ninsert()\ninsert()",
    "a function": "op.execute('CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC"
    " SELECT CASE WHEN true THEN 1\\nEND; SELECT 2; END')\ninsert()\ninsert()",
    "another function": "op.execute('CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE plpgsql AS"
    " $$ BEGIN RETURN 1;\\nEND; $$')\ninsert()\ninsert()",
    "words": "op.execute(\"COMMENT ON TABLE rows IS 'a;\\n COMMIT'\")\ninsert()\ninsert()",
}


@pytest.fixture
def project(new_project: NewProject, database: Database) -> Project:
    """A project at a revision from before the one that a test writes."""
    project = new_project(example=False)
    write(project, "first", None, FIRST)
    project.alembic("upgrade", "head")
    return project


def write(project: Project, revision: str, down_revision: str | None, body: str) -> Path:
    path = project.path / "migrations" / "versions" / f"{revision}.py"
    text = REVISION.format(revision=revision, down_revision=down_revision, body=body)
    path.write_text(text)
    return path


def write_second(project: Project, code: str) -> Path:
    body = "".join(f"    {line}\n" for line in code.split("\n"))
    return write(project, "second", "first", body)


def state(database: Database) -> tuple[int, str]:
    """How many rows there are, and the revision."""
    return (
        database.value("SELECT count(*) FROM rows"),
        database.value("SELECT version_num FROM alembic_version"),
    )


def assert_refused(project: Project, database: Database, path: Path, *words: str) -> None:
    text = " ".join(said(project.alembic("upgrade", "head", ok=False)).split())
    assert str(path) in text
    assert "Traceback" not in text
    assert "with op.get_context().autocommit_block()" in text
    for each in words:
        assert each in text
    assert state(database) == (0, "first")


@campaign(
    "code",
    REFUSED,
    keep=[
        *("commit() that is caught", "rollback() of a session", "close()", "with"),
        *("COMMIT in a comment's company", "COMMIT that is caught", "ROLLBACK AND CHAIN"),
        *("PREPARE TRANSACTION", "one of several", "the driver's ROLLBACK"),
    ],
)
def test_what_ends_the_transaction_is_refused_before_anything_is_lost(
    project: Project, database: Database, code: str
) -> None:
    if "; COMMIT;" in code:
        project = project.given(DB_DRIVER_SYNC="psycopg")  # which takes several statements
    path = write_second(project, code)
    assert_refused(project, database, path, "Revision second", "its own transaction")


@campaign("code", EXPLAINED, keep=["begin()", "CALL"])
def test_what_is_refused_anyway_is_explained(
    project: Project, database: Database, code: str
) -> None:
    assert_refused(project, database, write_second(project, code))


@campaign(
    "code",
    ALLOWED,
    keep=[
        *("commit() of a session", "rollback() of a savepoint", "SAVEPOINT"),
        *("a transaction in an autocommit_block", "CALL in an autocommit_block"),
        *("a function", "another function", "words"),
    ],
)
def test_what_leaves_the_transaction_alone_is_not_refused(
    project: Project, database: Database, code: str
) -> None:
    write_second(project, code)
    project.alembic("upgrade", "head")
    assert state(database) == (2, "second")
    project.alembic("downgrade", "-1")
    assert state(database) == (4, "first")


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_other_drivers_refuse_it_too(project: Project, database: Database, driver: str) -> None:
    project = project.given(DB_DRIVER_SYNC=driver)
    for name in ("commit()", "rollback()", "COMMIT", "one of several", "the driver's rollback()"):
        path = write_second(project, REFUSED[name])
        assert_refused(project, database, path, "Revision second", "its own transaction")
    for name in ("begin()", "CALL"):
        assert_refused(project, database, write_second(project, EXPLAINED[name]))
    for name in ("commit() of a session", "SAVEPOINT", "autocommit_block", "BEGIN"):
        write_second(project, ALLOWED[name])
        project.alembic("upgrade", "head")
        assert state(database) == (2, "second")
        project.alembic("downgrade", "first")
        database.query("TRUNCATE rows")


@campaign(
    "name",
    ["commit()", "rollback()", "COMMIT", "the driver's rollback()"],
    keep=["rollback()", "COMMIT"],
)
def test_a_downgrade_is_refused_too(project: Project, database: Database, name: str) -> None:
    write_second(project, REFUSED[name])
    project.alembic("stamp", "second")  # runs none of it
    assert state(database) == (0, "second")
    text = said(project.alembic("downgrade", "-1", ok=False))
    assert "Revision second" in text
    assert state(database) == (0, "second")


def test_what_an_autocommit_block_has_committed_is_said_to_stay(
    project: Project, database: Database
) -> None:
    write_second(
        project,
        "with op.get_context().autocommit_block():\n    insert()\ninsert()\nop.get_bind().commit()",
    )
    text = " ".join(said(project.alembic("upgrade", "head", ok=False)).split())
    assert "What it did since its autocommit_block is rolled back" in text
    assert state(database) == (1, "first")


def test_what_the_driver_has_committed_is_said_to_stay(
    project: Project, database: Database
) -> None:
    write_second(project, "insert()\nop.get_bind().connection.commit()\ninsert()")
    text = " ".join(said(project.alembic("upgrade", "head", ok=False)).split())
    assert "what it committed stays" in text
    assert state(database) == (1, "first")
