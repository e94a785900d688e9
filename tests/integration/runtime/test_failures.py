"""What a person reads when the database cannot be reached or refuses: one sentence, exit code not
0, no traceback and no password.
"""

import ast
import re
from dataclasses import replace

import pytest
from campaigns import campaign
from edit import edit
from project import Finished, Project, said
from revisions import UP
from sample import NewProject
from server import Database

COMMANDS = [("alembic", "upgrade", "head"), ("alembic", "check"), ("db", "status")]


def explained(done: Finished, database: Database) -> str:
    """What was said, after a look that it is fit for people."""
    assert done.returncode != 0
    assert "Traceback" not in said(done)
    assert database.password not in said(done)
    return " ".join(said(done).split())


@campaign("command", COMMANDS, keep=[COMMANDS[0]], ids=" ".join)
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
    assert ("Check DB_HOST" if case == "unknown host" else "Is the server running?") in text
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
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    project.alembic("revision", "-m", "bad")
    [revision] = project.path.glob("migrations/versions/*_bad.py")
    edit(
        revision,
        UP,
        f'{UP}    op.add_column("notes", sa.Column("half", sa.Integer()))\n'
        '    op.execute("ALTER TABLE nowhere ADD x int")\n',
    )
    source = revision.read_text()
    line = source.splitlines().index('    op.execute("ALTER TABLE nowhere ADD x int")') + 1
    text = explained(project.alembic("upgrade", "head", ok=False), database)
    assert f"{revision.name}:{line}: Postgres refused a statement" in text
    assert 'relation "nowhere" does not exist' in text
    assert "ALTER TABLE nowhere ADD x int" in text
    assert project.alembic("current").stdout.strip() == "5f0e1c2d3a4b"
    columns = "SELECT 1 FROM information_schema.columns WHERE column_name = 'half'"
    assert database.query(columns) == []


def test_rows_without_a_value_that_is_now_wanted_are_counted(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    database.query("ALTER TABLE notes ALTER COLUMN body DROP NOT NULL")
    database.query("INSERT INTO notes (title, body) VALUES ('a', NULL), ('b', NULL), ('c', '')")
    project.alembic("revision", "--autogenerate", "-m", "body")
    text = explained(project.alembic("upgrade", "head", ok=False), database)
    assert '"notes"."body" cannot become NOT NULL: it is NULL in 2 rows. Fill them in' in text
    hint = re.search(r"update_in_batches\(.*?\)(?=\. This)", text)
    assert hint
    ast.parse(hint[0])
    assert database.query("SELECT 1 FROM pg_constraint WHERE conname LIKE 'body%'") == []
    database.query("UPDATE notes SET body = '' WHERE body IS NULL")
    project.alembic("upgrade", "head")


def test_a_downgrade_that_fails_is_still_applied(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    revision = project.versions[0]
    edit(revision, 'op.drop_table("notes")', 'op.drop_table("x")')
    text = explained(project.alembic("downgrade", "-1", ok=False), database)
    assert "This revision is still applied; correct its downgrade" in text
    assert project.alembic("current").stdout.strip() == "5f0e1c2d3a4b (head)"


def test_what_alembic_only_states_is_told_what_to_do_about(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    behind = explained(project.alembic("check", ok=False), database)
    assert "First: uv run alembic upgrade head" in behind
    project.alembic("upgrade", "head")
    for command, words in {
        ("alembic", "upgrade", "+1"): "+1: no revision is left. The database is at the newest one.",
        ("alembic", "upgrade", "+2"): "+2: fewer than 2 revisions are left. To apply all of them:",
        ("db", "plan", "+5"): "+5: fewer than 5 revisions are left. To apply all of them:",
        ("alembic", "downgrade", "-2"): "-2: fewer than 2 revisions are applied. To undo all of",
    }.items():
        assert words in explained(project.run(*command, ok=False), database)
    for name in ("one", "two"):
        project.alembic("revision", "-m", name, "--head", "5f0e1c2d3a4b", "--splice")
    assert "Or join them: uv run alembic merge " in explained(
        project.alembic("upgrade", "head", ok=False), database
    )
    database.query("UPDATE alembic_version SET version_num = 'gone'")
    explained(project.alembic("stamp", "--purge", "nowhere", ok=False), database)
    assert database.query("SELECT version_num FROM alembic_version") == [("gone",)]
    gone = explained(project.alembic("current", ok=False), database)
    assert "identified by 'gone': no file has it" in gone


BROKEN = {
    "no Python": ("def upgrade() -> None:\n    (\n", "SyntaxError"),
    "an import that fails": ("import nowhere\n", "ModuleNotFoundError"),
    "another's id": ("revision = '5f0e1c2d3a4b'\ndown_revision = None\n", "Two files have"),
    "nothing to follow": (
        "revision = 'x'\ndown_revision = 'lost'\n",
        "Revision lost does not exist",
    ),
}


@pytest.mark.parametrize(("source", "words"), BROKEN.values(), ids=BROKEN.keys())
@campaign("command", [("alembic", "upgrade", "head"), ("db", "status")], keep=[("db", "status")])
def test_a_revision_that_cannot_be_loaded_is_named(
    new_project: NewProject, database: Database, source: str, words: str, command: tuple[str, ...]
) -> None:
    project = new_project()
    (project.path / "migrations" / "versions" / "broken.py").write_text(source)
    text = explained(project.run(*command, ok=False), database)
    assert words in text
    assert "migrations/versions/broken.py" in text
    done = project.db("doctor", ok=False)
    assert words in done.stdout
    assert "Traceback" not in said(done)


def test_a_bug_in_a_revision_keeps_its_traceback(new_project: NewProject) -> None:
    project = new_project()
    project.alembic("revision", "-m", "bug")
    [revision] = project.path.glob("migrations/versions/*_bug.py")
    edit(
        revision,
        '    """Bring the schema to this revision."""\n',
        '    """Bring the schema to this revision."""\n    1 / 0\n',
    )
    done = project.alembic("upgrade", "head", ok=False)
    assert "ZeroDivisionError" in said(done)
    assert "Traceback" in said(done)


def test_a_statement_of_env_py_that_postgres_refuses(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    edit(
        project.path / "migrations" / "env.py",
        "    context.configure(\n",
        '    if connection is not None:\n        connection.exec_driver_sql("SELECT nowhere")\n'
        "    context.configure(\n",
    )
    text = explained(project.alembic("upgrade", "head", ok=False), database)
    assert 'Postgres refused a statement: column "nowhere" does not exist' in text
