"""Row-level security hides no row from a migration: Postgres refuses the statement instead."""

import pytest
from project import Project, said
from roles import a_role
from sample import NewProject
from server import Database

REVISION = '''"""By hand"""

import sqlalchemy as sa
from alembic import op
from alembic_live.operations import set_not_null_concurrently

revision = "by_hand"
down_revision = None


def upgrade() -> None:
    {statement}


def downgrade() -> None:
    {statement}
'''
UPDATE = "UPDATE notes SET title = 'filled' WHERE title IS NULL"
TABLE = """
    CREATE TABLE notes (tenant int, title text);
    INSERT INTO notes VALUES (1, NULL), (2, NULL);
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
    ALTER TABLE notes FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON notes USING (tenant = current_setting('app.tenant', true)::int)
"""


def written(project: Project, statement: str) -> None:
    """Write the revision, which has one statement each way."""
    path = project.path / "migrations" / "versions" / "by_hand.py"
    path.write_text(REVISION.format(statement=statement))


@pytest.mark.parametrize("driver", ["", "psycopg"])
def test_a_statement_that_would_miss_rows_is_refused(
    new_project: NewProject, database: Database, driver: str
) -> None:
    with a_role(database, "") as owner:
        owner.query(TABLE)
        project = new_project(example=False).given(**owner.environment, DB_DRIVER_SYNC=driver)
        for statement in (
            f'op.execute("{UPDATE}")',
            'assert op.get_bind().scalar(sa.text("SELECT count(*) FROM notes")) == 2',
            f'with op.get_context().autocommit_block():\n        op.execute("{UPDATE}")',
        ):
            written(project, statement)
            text = said(project.alembic("upgrade", "head", ok=False))
            assert 'query would be affected by row-level security policy for table "notes"' in text
            assert "NO FORCE ROW LEVEL SECURITY" in text
            assert "SET LOCAL row_security = on" in text
        assert database.value("SELECT count(*) FROM notes WHERE title IS NULL") == 2

        written(project, 'set_not_null_concurrently("notes", "title")')
        text = said(project.alembic("upgrade", "head", ok=False))
        assert "it is NULL in rows that row-level security hides" in text

        # What the message proposes.
        written(
            project,
            'op.execute("ALTER TABLE notes NO FORCE ROW LEVEL SECURITY")\n'
            f'    op.execute("{UPDATE}")\n'
            '    op.execute("ALTER TABLE notes FORCE ROW LEVEL SECURITY")',
        )
        project.alembic("upgrade", "head")
        assert database.value("SELECT count(*) FROM notes WHERE title IS NULL") == 0


ON_A_CONNECTION = """
from pathlib import Path
from alembic import command
from alembic_live import load_project, run_command
from sqlalchemy import create_engine

project = load_project(Path("alembic.ini"))
with create_engine(project.migration_address.url).connect() as connection:
    try:
        run_command(project, command.upgrade, "head", connection=connection)
    finally:
        print("after:", connection.exec_driver_sql("SHOW row_security").scalar())
"""


def test_a_connection_of_a_program_has_the_setting_during_the_migration(
    new_project: NewProject, database: Database
) -> None:
    with a_role(database, "") as owner:
        owner.query(TABLE)
        project = new_project(example=False).given(**owner.environment, DB_DRIVER_SYNC="psycopg")
        written(project, f'op.execute("{UPDATE}")')
        text = said(project.run("python", "-c", ON_A_CONNECTION, ok=False))
        assert 'query would be affected by row-level security policy for table "notes"' in text
        assert "after: on" in text


def test_policies_apply_if_the_revision_says_so(
    new_project: NewProject, database: Database
) -> None:
    with a_role(database, "") as owner:
        owner.query(TABLE)
        project = new_project(example=False).given(**owner.environment)
        written(
            project,
            'op.execute("SET LOCAL row_security = on")\n'
            "    op.execute(\"SET LOCAL app.tenant = '1'\")\n"
            f'    op.execute("{UPDATE}")',
        )
        project.alembic("upgrade", "head")
        assert database.query("SELECT tenant FROM notes WHERE title IS NULL") == [(2,)]


def test_a_version_table_that_hides_its_rows_is_no_empty_one(
    new_project: NewProject, database: Database
) -> None:
    with a_role(database, "") as owner:
        project = new_project().given(**owner.environment)
        project.alembic("upgrade", "head")
        owner.query("ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY")
        assert "nothing to do" in said(project.db("migrate"))
        owner.query("ALTER TABLE alembic_version FORCE ROW LEVEL SECURITY")
        for command in (("alembic", "upgrade", "head"), ("alembic", "current"), ("db", "migrate")):
            text = said(project.run(*command, ok=False))
            assert 'row-level security policy for table "alembic_version"' in text
            assert "Traceback" not in text
        assert 'policy for table "alembic_version"' in project.db("doctor", ok=False).stdout


def test_a_script_has_the_same_setting(service: Project) -> None:
    script = service.alembic("upgrade", "head", "--sql").stdout
    assert script.count("SET row_security = off;") == 1
