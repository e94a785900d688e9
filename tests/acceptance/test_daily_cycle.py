"""What a person does every day: change a model, write a revision, migrate."""

import os
from pathlib import Path

import psycopg
from campaigns import campaign
from project import Project
from rendered import Render
from server import Database

MODEL = """\
from sqlalchemy import Identity
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class Model(Base):
    __tablename__ = "{0}"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
"""

in_its_own = campaign("schema", ["public", "sales"], keep=["sales"])
in_the_usual = campaign("schema", ["public", "sales"], keep=["public"])


@in_its_own
def test_a_changed_model_becomes_a_revision_that_goes_up_and_down(
    render: Render, database: Database, schema: str
) -> None:
    project = render(database_schema=schema)
    project.alembic("upgrade", "head")
    first = current(project)
    project.write_model("customer", MODEL.format("customers"))

    project.alembic("revision", "--autogenerate", "-m", "Add customers")
    project.alembic("upgrade", "head")
    assert tables(database) == {(schema, t) for t in ("alembic_version", "customers", "notes")}
    project.alembic("check")
    second = current(project)

    project.alembic("downgrade", "-1")
    assert tables(database) == {(schema, t) for t in ("alembic_version", "notes")}
    assert current(project) == first
    project.alembic("upgrade", "+1")
    assert tables(database) == {(schema, t) for t in ("alembic_version", "customers", "notes")}
    assert current(project) == second != first


@in_its_own
def test_two_revisions_are_applied_by_upgrade_plus_2(
    render: Render, database: Database, schema: str
) -> None:
    project = render(database_schema=schema, example=False)
    project.alembic("upgrade", "head")  # an empty history works too
    assert project.alembic("current").stdout == ""
    for name in ("one", "two"):
        project.write_model(name, MODEL.format(name))
        project.alembic("revision", "--autogenerate", "-m", name)
        project.alembic("upgrade", "head")
    project.alembic("downgrade", "base")
    assert tables(database) == {(schema, "alembic_version")}
    project.alembic("upgrade", "+2")
    assert tables(database) == {(schema, t) for t in ("alembic_version", "one", "two")}
    assert project.alembic("current").stdout.strip().endswith(" (head)")
    history = project.alembic("history").stdout
    assert history.index("two") < history.index("one")


@in_the_usual
def test_a_new_revision_is_dated_in_utc_and_clean(
    render: Render, database: Database, schema: str
) -> None:
    project = render(database_schema=schema)
    project.alembic("upgrade", "head")
    project.write_model("customer", MODEL.format("customers"))
    project.given(TZ="Asia/Tokyo").alembic("revision", "--autogenerate", "-m", "Add customers")
    project.alembic("upgrade", "head")
    project.alembic("revision", "-m", "By hand")
    generated = project.file("migrations/versions/*_add_customers.py")
    assert project.file("migrations/versions/*_by_hand.py").exists()
    assert "+00:00" in generated.read_text()
    created = generated.read_text().split("Create Date: ")[1][:19]
    assert generated.name.startswith(
        created.replace("-", "_").replace(" ", "_").replace(":", "") + "-"
    )
    project.run("ruff", "check")
    project.run("ruff", "format", "--check")
    project.run("mypy")


@in_its_own
def test_offline_sql_makes_what_online_migrations_make(
    render: Render, database: Database, server: Database, schema: str
) -> None:
    project = render(database_schema=schema)
    script = project.alembic("upgrade", "head", "--sql").stdout
    project.alembic("upgrade", "head")
    online = project.run("python", "-c", DUMP).stdout
    with server.another(f"offline_{os.getpid()}") as offline:
        with offline.connect() as connection:
            connection.execute(psycopg.sql.SQL(script))
        there = project.given(**offline.environment)
        assert there.run("python", "-c", DUMP).stdout == online
        assert there.alembic("current").stdout == "5f0e1c2d3a4b (head)\n"


DUMP = (
    "from my_service.config import settings\n"
    "from alembic_live.postgres.dump import dump_schema\n"
    "print(dump_schema(settings.address))"
)


def test_offline_sql_needs_no_settings(service: Project) -> None:
    nowhere = service.given(DB_HOST="")
    assert "CREATE TABLE notes" in nowhere.alembic("upgrade", "head", "--sql").stdout
    down = nowhere.alembic("downgrade", "5f0e1c2d3a4b:base", "--sql").stdout
    assert "DROP TABLE notes" in down


def test_commands_work_from_any_folder(
    service: Project, database: Database, tmp_path: Path
) -> None:
    configuration = service.path / "alembic.ini"
    project = service.given(**database.environment)
    for command in (("upgrade", "head"), ("check",), ("current",), ("history",)):
        project.run("alembic", "-c", configuration, *command, cwd=tmp_path)
    assert tables(database) == {("public", "alembic_version"), ("public", "notes")}


def test_no_command_warns(render: Render) -> None:
    project = render()
    strictly = ("python", "-W", "error", "-m", "alembic")
    project.run(*strictly, "upgrade", "head")
    project.write_model("customer", MODEL.format("customers"))
    project.run(*strictly, "revision", "--autogenerate", "-m", "customers")
    for command in (
        ("upgrade", "head"),
        ("check",),
        ("current",),
        ("history",),
        ("heads",),
        ("downgrade", "base"),
        ("upgrade", "head", "--sql"),
    ):
        project.run(*strictly, *command)


def test_a_drop_of_the_example_leaves_a_working_project(render: Render, database: Database) -> None:
    project = render()
    for path in (
        project.models / "note.py",
        project.versions[0],
        project.path / "tests" / "test_note.py",
    ):
        path.unlink()
    project.alembic("upgrade", "head")
    project.alembic("check")
    assert tables(database) == set()


def tables(database: Database) -> set[tuple[str, str]]:
    """The tables of a database, each with its schema."""
    return set(
        database.query(
            "SELECT schemaname, tablename FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
    )


def current(project: Project) -> str:
    """The revision that `alembic current` shows, without whether it is the head."""
    return project.alembic("current").stdout.split()[0]
