"""`db migrate` in a rendered project: fast if nothing is to do."""

from pathlib import Path

import pytest
from project import Project, said
from rendered import Render
from server import Database

pytestmark = pytest.mark.typed

NOTHING = "The database is at the newest revision: nothing to do."

# Fails if anything imports what the fast path does without.
PROGRAM = """
import sys
for name in ("alembic", "pydantic", "sqlalchemy"):
    sys.modules[name] = None
sys.argv = ["db", "migrate"]
from alembic_live.commands.main import main
main()
"""


@pytest.mark.parametrize("schema", ["public", "sales"])
def test_it_migrates_and_then_has_nothing_to_do(render: Render, schema: str) -> None:
    project = render(database_schema=schema)
    assert "Running upgrade" in said(project.db("migrate"))
    done = project.db("migrate")
    assert (done.stdout, done.stderr.strip()) == ("", NOTHING)
    project.run("python", "-c", PROGRAM)
    project.alembic("revision", "-m", "one more")
    assert "Running upgrade" in said(project.db("migrate"))
    project.run("python", "-c", PROGRAM)


def test_it_reads_the_env_file_of_the_project(
    render: Render, database: Database, tmp_path: Path
) -> None:
    project: Project = render()
    lines = [f"{name}={value}\n" for name, value in database.environment.items()]
    (project.path / ".env").write_text("".join(lines))
    project.environment.clear()
    project.db("migrate")
    project.run("python", "-c", PROGRAM)
    (project.path / ".env").write_text("".join(lines).replace(database.name, "postgres"))
    assert project.run("python", "-c", PROGRAM, ok=False).returncode != 0
