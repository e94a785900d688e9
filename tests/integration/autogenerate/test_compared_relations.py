"""Which tables autogenerate compares: not those of extensions, whatever the search path, and the same
ones however a model names their schema.
"""

import pytest
from edit import edit
from project import said
from sample import NewProject
from server import Database

PLACES = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class Place(Base):
    __tablename__ = "places"

    id: Mapped[int] = mapped_column(primary_key=True)
    system: Mapped[int] = mapped_column(ForeignKey("reference_systems.id"))


class Layer(Base):
    __tablename__ = "layer"  # the extension's table of this name is in another schema

    id: Mapped[int] = mapped_column(primary_key=True)


class ReferenceSystem(Base):
    __tablename__ = "reference_systems"  # the extension has it

    id: Mapped[int] = mapped_column(primary_key=True)
"""


def test_what_an_extension_has_is_left_alone_whatever_the_search_path(
    new_project: NewProject, database: Database
) -> None:
    """As postgis_topology and postgis_tiger_geocoder do: their schemas are on the database's path."""
    name = database.name
    database.query("CREATE SCHEMA topology")
    database.query("CREATE SCHEMA neighbour")
    database.query("CREATE TABLE topology.topology (id serial PRIMARY KEY)")
    database.query("CREATE TABLE topology.layer (id int REFERENCES topology.topology)")
    database.query("CREATE TABLE reference_systems (id int PRIMARY KEY, text text)")
    database.query("CREATE INDEX of_extension ON reference_systems (text)")
    database.query("CREATE VIEW geometry_columns AS SELECT 1 AS one")
    database.query("CREATE TYPE validity AS ENUM ('valid', 'invalid')")
    for member in (
        *("TABLE topology.topology", "TABLE topology.layer", "TABLE reference_systems"),
        *("VIEW geometry_columns", "TYPE validity", "SCHEMA topology"),
    ):
        with database.connect() as connection:
            connection.execute(f"ALTER EXTENSION plpgsql ADD {member}")
    database.query("CREATE TABLE neighbour.others (id int PRIMARY KEY)")
    with database.connect() as connection:
        connection.execute(
            f'ALTER DATABASE "{name}" SET search_path = "$user", public, topology, neighbour'
        )
    project = new_project(example=False)
    project.write_model("places", PLACES)
    project.alembic("revision", "--autogenerate", "-m", "places")
    text = project.versions[0].read_text()
    assert text.count("op.create_table(") == text.count("op.drop_table(") == 2
    assert "validity" not in text
    project.alembic("upgrade", "head")
    assert "No new upgrade operations" in said(project.alembic("check"))
    project.alembic("downgrade", "base")
    project.alembic("upgrade", "head")
    assert "No new upgrade operations" in said(project.alembic("check"))
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname IN ('topology', 'neighbour')"
    assert database.value(tables) == 3
    database.query("CREATE TABLE kept () INHERITS (places)")
    project.db("baseline", "--models", "--output", "tables.py")
    written = (project.path / "tables.py").read_text()
    assert "class Places" in written
    assert "class Layer" in written
    assert "class ReferenceSystems" in written  # a foreign key of another model needs it
    assert '{"schema": "neighbour"}' in written  # a baseline has all schemas
    assert not any(name in written for name in ("topology", "Kept"))
    assert "No new upgrade operations" in said(project.alembic("check"))


NAMED = """
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, Integer, Table
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class Parent(Base):
    __tablename__ = "parents"
    __table_args__ = {{"schema": {0}}}

    id: Mapped[int] = mapped_column(primary_key=True)


class Child(Base):
    __tablename__ = "Order"
    __table_args__ = (
        ForeignKeyConstraint(
            ["parent"], [Parent.id], name="to_parent", onupdate="NO ACTION", ondelete="CASCADE",
            deferrable=True, initially="DEFERRED",
        ),
        Index("ix of Order", "select", unique=True),
        {{"schema": {1}}},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    parent: Mapped[int]
    other: Mapped[int] = mapped_column(ForeignKey(Parent.id))
    itself: Mapped[int | None] = mapped_column(ForeignKey(id))
    select: Mapped[int] = mapped_column("select", unique=True)
    of_user: Mapped[int] = mapped_column("User Id", index=True)
"""


@pytest.mark.parametrize(
    ("parent", "child", "convention"),
    [
        ('"public"', '"public"', True),
        ('"public"', '"public"', False),
        ('"public"', "None", True),
        ("None", '"public"', False),
        ('"My Schema"', '"public"', True),
        ('"user"', "None", True),
        ('"public"', '"user"', False),
    ],
)
def test_a_schema_that_need_not_be_named_makes_no_difference(
    new_project: NewProject, database: Database, parent: str, child: str, convention: bool
) -> None:
    with database.connect() as connection:
        connection.execute(
            f'ALTER DATABASE "{database.name}" SET search_path = "$user", public, "user"'
        )
    project = new_project(example=False)
    if not convention:
        seam = project.path / "src/my_service/database/__init__.py"
        seam.write_text(seam.read_text().replace("naming_convention={", "info={"))
    project.write_model("named", NAMED.format(parent, child))
    project.alembic("revision", "--autogenerate", "-m", "named")
    project.alembic("upgrade", "head")
    assert "No new upgrade operations" in said(project.alembic("check"))
    model = project.models / "named.py"
    model.write_text(model.read_text().replace('ondelete="CASCADE"', 'ondelete="SET NULL"'))
    assert said(project.alembic("check", ok=False)).count("'remove_fk'") == 1


VECTORS = """
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from ..base import Base


class Vector(UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "VECTOR(3)"


class Item(Base):
    __tablename__ = "items"
    __table_args__ = (
        Index(
            "ix_items_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_with={"m": 16, "ef_construction": 64},
            postgresql_ops={"embedding": "vector_cosine_ops"},
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[str] = mapped_column(Vector)
"""


def test_vectors_and_their_indexes_are_written_once_and_filled_with_rows(
    new_project: NewProject, database: Database
) -> None:
    if not database.query("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"):
        pytest.skip("this server has no pgvector")
    project = new_project(example=False)
    project.alembic("revision", "-m", "extension")
    edit(
        project.versions[0],
        '"""Bring the schema to this revision."""\n',
        '"""Bring the schema to this revision."""\n    op.execute("CREATE EXTENSION vector")\n',
    )
    edit(
        project.versions[0],
        '"""Take the schema back to the revision before."""\n',
        '"""Take the schema back to the revision before."""\n'
        '    op.execute("DROP EXTENSION vector")\n',
    )
    project.alembic("upgrade", "head")
    project.write_model("vectors", VECTORS)
    project.alembic("revision", "--autogenerate", "-m", "vectors")
    project.alembic("upgrade", "head")
    assert "No new upgrade operations" in said(project.alembic("check"))
    assert "8 passed" in project.run("pytest", "tests/test_migrations.py").stdout
