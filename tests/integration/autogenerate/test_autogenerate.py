"""What autogenerate sees, what it leaves alone, and what it warns of."""

from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import pytest
from campaigns import campaign
from edit import edit
from project import Project, said
from sample import NewProject, write_sample
from server import Database
from things import MODELS


@dataclass
class Change:
    """What is written instead of a part of MODELS, and the query that sees it in a schema."""

    old: str
    new: str
    query: LiteralString


FOREIGN_KEY = 'owner_id: Mapped[int] = mapped_column(sa.ForeignKey("nowhere.id"))'

COLUMN: LiteralString = (
    "SELECT 1 FROM information_schema.columns WHERE table_schema = %s AND table_name = 'things' "
)
CONSTRAINT: LiteralString = "SELECT 1 FROM pg_constraint WHERE connamespace = %s::regnamespace "

CHANGES = {
    "an enum": Change(
        "    owner_id: Mapped[int]\n",
        "    owner_id: Mapped[int]\n    color: Mapped[Color | None]\n",
        "SELECT 1 FROM pg_type WHERE typname = 'color' AND typnamespace = %s::regnamespace",
    ),
    "a server default": Change(
        "    size: Mapped[int]\n",
        '    size: Mapped[int] = mapped_column(server_default="7")\n',
        COLUMN + "AND column_name = 'size' AND column_default = '7'",
    ),
    "a unique constraint": Change(
        "    name: Mapped[str]\n",
        "    name: Mapped[str] = mapped_column(unique=True)\n",
        CONSTRAINT + "AND conname = 'uq_things_name'",
    ),
    "a check constraint": Change(
        '    __tablename__ = "things"\n',
        '    __tablename__ = "things"\n'
        '    __table_args__ = (sa.CheckConstraint("size > 0", name="size_positive"),)\n',
        CONSTRAINT + "AND conname = 'ck_things_size_positive'",
    ),
    "an index": Change(
        "    name: Mapped[str]\n",
        "    name: Mapped[str] = mapped_column(index=True)\n",
        "SELECT 1 FROM pg_indexes WHERE schemaname = %s AND indexname = 'ix_things_name'",
    ),
    "a foreign key": Change(
        "    owner_id: Mapped[int]\n",
        "    owner_id: Mapped[int] = mapped_column(sa.ForeignKey(Owner.id))\n",
        CONSTRAINT + "AND conname = 'fk_things_owner_id_owners'",
    ),
    "a nullable column": Change(
        "    name: Mapped[str]\n",
        "    name: Mapped[str | None]\n",
        COLUMN + "AND column_name = 'name' AND is_nullable = 'YES'",
    ),
    "another type": Change(
        "    size: Mapped[int]\n",
        "    size: Mapped[int] = mapped_column(sa.BigInteger)\n",
        COLUMN + "AND column_name = 'size' AND data_type = 'bigint'",
    ),
}


@pytest.fixture(scope="module")
def workshops(server: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """For each schema a project whose one revision makes the tables of MODELS."""
    projects: dict[str, Project] = {}
    for schema in ("public", "sales"):
        project = write_sample(
            tmp_path_factory.mktemp(schema) / "project", database_schema=schema, example=False
        )
        project.write_model("things", MODELS)
        with server.another(f"first_{schema}_{id(project)}") as database:
            project.given(**database.environment).alembic(
                "revision", "--autogenerate", "-m", "first"
            )
        projects[schema] = project
    return projects


@pytest.fixture(params=[pytest.param("public", marks=pytest.mark.full), "sales"])
def schema(request: pytest.FixtureRequest) -> str:
    """The schema that the project's tables are in."""
    name: str = request.param
    return name


@pytest.fixture
def project(
    workshops: dict[str, Project], schema: str, database: Database, tmp_path: Path
) -> Project:
    """A project with the tables of MODELS in its database; changes to it last for one test."""
    workshop = workshops[schema]
    workshop.environment = database.environment
    workshop.write_model("things", MODELS)
    for revision in workshop.versions:
        if not revision.name.endswith("_first.py"):
            revision.unlink()
    workshop.alembic("upgrade", "head")
    return workshop


@campaign("change", CHANGES, keep=["an enum", "a check constraint", "an index", "a foreign key"])
def test_a_change_goes_up_and_down(
    project: Project, schema: str, database: Database, change: Change
) -> None:
    assert change.old in MODELS
    assert database.query(change.query, schema) == []
    project.write_model("things", MODELS.replace(change.old, change.new))
    project.alembic("revision", "--autogenerate", "-m", "change")
    project.alembic("upgrade", "head")
    assert database.query(change.query, schema) == [(1,)]
    project.alembic("check")

    project.alembic("downgrade", "-1")
    assert database.query(change.query, schema) == []
    project.alembic("upgrade", "+1")
    assert database.query(change.query, schema) == [(1,)]


def test_an_enum_gains_and_loses_values(project: Project, schema: str, database: Database) -> None:
    labels: LiteralString = (
        "SELECT enumlabel FROM pg_enum JOIN pg_type t ON t.oid = enumtypid "
        "WHERE typname = 'color' AND typnamespace = %s::regnamespace ORDER BY enumsortorder"
    )

    def color(*values: str) -> str:
        named = (
            f'sa.Enum({", ".join(map(repr, values))}, name="color", schema=Base.metadata.schema)'
        )
        return MODELS + f"    color: Mapped[str | None] = mapped_column({named})\n"

    project.write_model("things", color("red", "green"))
    done = project.alembic("revision", "--autogenerate", "-m", "two colors")
    assert f"Detected added enum '{'' if schema == 'public' else f'{schema}.'}color'" in said(done)
    project.alembic("upgrade", "head")
    many = ("a:b", "red", "it's", "100%", "green", "blue")
    project.write_model("things", color(*many))
    assert "Detected added values of enum" in said(project.alembic("check", ok=False))
    project.alembic("revision", "--autogenerate", "-m", "many colors")
    project.alembic("upgrade", "head")
    assert database.query(labels, schema) == [(value,) for value in many]
    project.alembic("check")
    project.run("ruff", "check")
    project.run("ruff", "format", "--check", "migrations")
    project.run("mypy")
    project.alembic("downgrade", "-1")
    assert database.query(labels, schema) == [("red",), ("green",)]
    project.alembic("downgrade", "base")
    assert database.query(labels, schema) == []
    project.alembic("upgrade", "head")


def test_without_a_change_no_revision_is_written(project: Project) -> None:
    before = project.versions
    done = project.alembic("revision", "--autogenerate", "-m", "nothing")
    assert project.versions == before
    assert "The models and the database agree: no revision was written." in said(done)


def test_views_and_other_schemas_are_left_alone(
    project: Project, schema: str, database: Database
) -> None:
    database.query("CREATE SCHEMA another")
    database.query("CREATE TABLE another.things (id int)")
    database.query("CREATE TYPE another.mood AS ENUM ('good')")
    if schema != "public":
        database.query("CREATE TABLE public.things (id int)")
    with database.connect() as connection:
        connection.execute(f"CREATE VIEW {schema}.small AS SELECT id FROM {schema}.things")
    project.write_model(
        "small",
        """
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class Small(Base):
    __tablename__ = "small"
    __table_args__ = {"info": {"is_view": True}}

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
""",
    )
    try:
        project.alembic("check")
    finally:
        (project.models / "small.py").unlink()


def test_a_file_that_is_not_python_is_removed(project: Project) -> None:
    before = project.versions
    head = project.file("migrations/head.txt")
    text = head.read_text()
    done = project.alembic("revision", "-m", 'say """ so', ok=False)
    assert "was not Python and is removed" in said(done)
    assert project.versions == before
    assert head.read_text() == text
    project.alembic("history")


def test_an_import_that_is_not_used_yet_stays(new_project: NewProject) -> None:
    project = new_project()
    edit(project.path / "pyproject.toml", '"migrations/versions/*" =', '"elsewhere/*" =')
    before = set(project.versions)
    project.alembic("revision", "-m", "empty")
    [written] = set(project.versions) - before
    assert "import sqlalchemy as sa" in written.read_text()


def test_models_are_found_in_any_subfolder(project: Project) -> None:
    folder = project.models / "deep" / "deeper"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(
        """
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ....base import Base


class Deep(Base):
    __tablename__ = "deep"

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
"""
    )
    try:
        done = project.alembic("check", ok=False)
        assert done.returncode != 0
        assert "'deep'" in said(done)
    finally:
        (folder / "model.py").unlink()


def test_a_foreign_key_to_nowhere_is_named(project: Project) -> None:
    project.write_model("things", MODELS.replace("owner_id: Mapped[int]", FOREIGN_KEY))
    done = project.alembic("check", ok=False)
    assert done.returncode != 0
    assert "A foreign key in the models refers to a table that does not exist" in said(done)
    assert "Traceback" not in said(done)


@campaign(
    "broken",
    ["import nowhere\n", "x = (\n", "1 / 0\n", "raise SystemExit(0)\n"],
    keep=["x = (\n", "raise SystemExit(0)\n"],
)
def test_a_model_that_cannot_be_imported_is_named_and_nothing_is_dropped(
    project: Project, broken: str
) -> None:
    project.write_model("broken", broken)
    before = project.versions
    try:
        done = project.alembic("revision", "--autogenerate", "-m", "broken", ok=False)
    finally:
        (project.models / "broken.py").unlink()
    assert done.returncode != 0
    assert "The models in my_service.database.models.broken cannot be loaded" in said(done)
    assert "models/broken.py:1: " in said(done)
    assert "Traceback" not in said(done)
    assert project.versions == before


EMPTY = """
def own(_context, _revision, directives):
    if directives[0].upgrade_ops.is_empty():
        directives[:] = []


"""
IRREVERSIBLE = """
from alembic.operations import ops


class CreateSpatialTableOp(ops.CreateTableOp):
    def reverse(self):
        raise AttributeError("there is no way back")


def own(_context, _revision, directives):
    for item in directives[0].upgrade_ops.ops:
        if isinstance(item, ops.CreateTableOp):
            item.__class__ = CreateSpatialTableOp


"""


def test_what_a_team_s_directives_leave_is_written_or_refused_in_a_sentence(
    new_project: NewProject,
) -> None:
    project = new_project()
    env = project.path / "migrations" / "env.py"
    plain = env.read_text().replace(
        "options(project)", "options(project, process_revision_directives=own)"
    )
    project.alembic("upgrade", "head")
    env.write_text(plain.replace("def configure", f"{EMPTY}def configure"))
    project.alembic("revision", "--autogenerate", "-m", "nothing")
    assert len(project.versions) == 1
    project.write_model("things", MODELS)
    env.write_text(plain.replace("def configure", f"{IRREVERSIBLE}def configure"))
    refused = said(project.alembic("revision", "--autogenerate", "-m", "things", ok=False))
    assert "CreateSpatialTableOp cannot be reversed (there is no way back)" in refused
    assert "Traceback" not in refused
