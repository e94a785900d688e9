"""`db baseline --models` on schemas of many kinds: the models load and agree, a new database is equal."""

from pathlib import Path

import pytest
from alembic_live.postgres.dump import read_schema
from project import said
from sample import NewProject
from server import Database

SCHEMAS = Path(__file__).parents[2] / "support" / "schemas"

PAIR = """
from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class Pair(Base):
    __tablename__ = "pairs"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    second: Mapped[str | None] = mapped_column(Text)
"""

SHORT = ("odd",)  # the others are behind -m full


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(each.stem, marks=() if each.stem in SHORT else pytest.mark.full)
        for each in sorted(SCHEMAS.glob("*.sql"))
    ],
)
def test_a_schema_gets_models_and_a_baseline_that_makes_it_again(
    schema: str, new_project: NewProject, database: Database, server: Database
) -> None:
    with database.connect() as connection:
        connection.execute((SCHEMAS / f"{schema}.sql").read_bytes())
    project = new_project(example=False)
    project.db("baseline", "--models")
    project.run("ruff", "check")
    project.run("ruff", "format", "--check")
    project.run("mypy")
    project.db("baseline", "--yes")
    assert "No new upgrade operations" in said(project.alembic("check"))
    project.db("drift")
    with server.another("made again") as again:
        project.given(**again.environment).alembic("upgrade", "head")
        assert read_schema(again.address()) == read_schema(database.address())
    assert "no findings" in said(project.db("lint", "base:head"))
    project.run("pytest", "-q", "tests/test_migrations.py")


def test_a_baseline_keeps_the_order_of_the_columns_whatever_the_models_have(
    new_project: NewProject, database: Database, server: Database
) -> None:
    database.query("CREATE TABLE pairs (second text, id int CONSTRAINT pk_pairs PRIMARY KEY)")
    project = new_project(example=False)
    project.write_model("pair", PAIR)
    project.db("baseline", "--yes")
    assert "op.create_table(" in project.versions[0].read_text()
    with server.another("in order") as again:
        project.given(**again.environment).alembic("upgrade", "head")
        again.query("INSERT INTO pairs VALUES ('two', 1)")
        assert again.query("SELECT id, second FROM pairs") == [(1, "two")]


def test_models_that_differ_are_no_success(new_project: NewProject, database: Database) -> None:
    database.query("CREATE TYPE unused AS ENUM ('a')")
    database.query("CREATE TABLE pairs (id int CONSTRAINT pk_pairs PRIMARY KEY)")
    project = new_project(example=False)
    said_so = said(project.db("baseline", "--models", ok=False))
    assert "The models differ from the database." in said_so
    assert "name='unused').drop(op.get_bind())" in said_so
    assert (project.models / "tables.py").exists()
