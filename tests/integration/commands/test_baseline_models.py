"""`db baseline --models` on schemas of many kinds: the models load and agree, a new database is equal."""

from pathlib import Path

import pytest
from alembic_live.postgres.dump import read_schema
from project import said
from sample import NewProject
from server import Database

SCHEMAS = Path(__file__).parents[2] / "support" / "schemas"


@pytest.mark.parametrize("schema", [each.stem for each in sorted(SCHEMAS.glob("*.sql"))])
def test_a_schema_gets_models_and_a_baseline_that_makes_it_again(
    schema: str, new_project: NewProject, database: Database, server: Database
) -> None:
    with database.connect() as connection:
        connection.execute((SCHEMAS / f"{schema}.sql").read_bytes())
    project = new_project(example=False)
    project.db("baseline", "--models")
    print(project.models.joinpath("tables.py").read_text())
    project.run("ruff", "check")
    project.run("ruff", "format", "--check")
    project.run("mypy")
    print(said(project.db("baseline", "--yes")))
    assert "No new upgrade operations" in said(project.alembic("check"))
    project.db("drift")
    with server.another("made again") as again:
        project.given(**again.environment).alembic("upgrade", "head")
        assert read_schema(again.address()) == read_schema(database.address())
    if schema != "odd":
        project.run("pytest", "-q", "tests/test_migrations.py")
