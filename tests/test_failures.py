"""What a person reads when the database cannot be reached or refuses: one sentence, exit code not
0, no traceback and no password.
"""

from dataclasses import replace

import pytest
from conftest import Render
from project import Finished, Project, said
from server import Database

COMMANDS = [("alembic", "upgrade", "head"), ("alembic", "check"), ("db", "status")]


def explained(done: Finished, database: Database) -> str:
    """What was said, after a look that it is fit for people."""
    assert done.returncode != 0
    assert "Traceback" not in said(done)
    assert database.password not in said(done)
    return " ".join(said(done).split())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("case", ["server down", "unknown host", "no socket"])
def test_a_server_that_does_not_answer(
    service: Project, database: Database, case: str, command: tuple[str, ...]
) -> None:
    where = {
        "server down": replace(database, port=1),
        "unknown host": replace(database, host="nowhere.invalid"),
        "no socket": replace(database, host="/nowhere"),
    }[case]
    text = explained(service.given(**where.environment).run(*command, ok=False), database)
    assert f"on {where.host}, port {where.port}" in text
    assert "Is the server running?" in text
    assert {
        "server down": "Connection refused",
        "unknown host": "Name or service not known",
        "no socket": "No such file or directory",
    }[case] in text


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_wrong_password(service: Project, database: Database, command: tuple[str, ...]) -> None:
    wrong = replace(database, password="wr0ng-p@ss")
    text = explained(service.given(**wrong.environment).run(*command, ok=False), wrong)
    assert "password authentication failed" in text
    assert "Check DB_USER and DB_PASSWORD" in text


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_missing_database(service: Project, database: Database, command: tuple[str, ...]) -> None:
    where = replace(database, name="no such database")
    text = explained(service.given(**where.environment).run(*command, ok=False), database)
    assert 'database "no such database" does not exist' in text
    assert "Check DB_NAME, or create the database" in text


def test_a_statement_that_postgres_refuses_is_shown_with_its_place(
    render: Render, database: Database
) -> None:
    project = render()
    project.alembic("upgrade", "head")
    project.alembic("revision", "-m", "bad")
    [revision] = project.path.glob("migrations/versions/*_bad.py")
    source = revision.read_text().replace(
        '    """Bring the schema to this revision."""\n',
        '    """Bring the schema to this revision."""\n'
        '    op.add_column("notes", sa.Column("half", sa.Integer()))\n'
        '    op.execute("ALTER TABLE nowhere ADD x int")\n',
    )
    revision.write_text(source)
    line = source.splitlines().index('    op.execute("ALTER TABLE nowhere ADD x int")') + 1
    text = explained(project.alembic("upgrade", "head", ok=False), database)
    assert f"{revision.name}:{line}: Postgres refused a statement" in text
    assert 'relation "nowhere" does not exist' in text
    assert "ALTER TABLE nowhere ADD x int" in text
    assert project.alembic("current").stdout.strip() == "5f0e1c2d3a4b"
    columns = "SELECT 1 FROM information_schema.columns WHERE column_name = 'half'"
    assert database.query(columns) == []


def test_a_bug_in_a_revision_keeps_its_traceback(render: Render) -> None:
    project = render()
    project.alembic("revision", "-m", "bug")
    [revision] = project.path.glob("migrations/versions/*_bug.py")
    revision.write_text(
        revision.read_text().replace(
            '    """Bring the schema to this revision."""\n',
            '    """Bring the schema to this revision."""\n    1 / 0\n',
        )
    )
    done = project.alembic("upgrade", "head", ok=False)
    assert "ZeroDivisionError" in said(done)
    assert "Traceback" in said(done)
