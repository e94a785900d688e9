"""Changes of models that go up, down and up again, from tables that SQL has created."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, LiteralString

from alembic import command
from alembic.config import Config
from alembic_live.postgres.dump import Schema, comparable, differences, read_schema
from alembic_live.project import Project
from alembic_live.runtime.program import run_command
from sample import SAMPLE
from server import Database

HEAD = """
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

def table(name, *columns, **options):
    return sa.Table(name, metadata, *columns, **options)

def key(name="id", **options):
    return sa.Column(name, sa.Integer, primary_key=True, **options)

def integer(name, *more, **options):
    return sa.Column(name, sa.Integer, *more, **options)

def string(name, *more, **options):
    return sa.Column(name, sa.Text, *more, **options)
"""

ENVIRONMENT = """
import alembic_live
from alembic import context

project = context.config.attributes["project"]


def configure(connection):
    context.configure(
        connection=connection,
        target_metadata=project.metadata,
        **alembic_live.options(project),
    )


alembic_live.run_migrations(project, configure)
"""

INI = """[alembic]
script_location = %(here)s/migrations
path_separator = os
[loggers]
keys = root
[handlers]
keys =
[formatters]
keys =
[logger_root]
handlers =
"""

# Everything that has rows or a file on the disk.
FILES: LiteralString = """
SELECT c.oid::bigint, pg_relation_filenode(c.oid)::bigint FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^(pg_|information_schema)' AND c.relkind IN ('r', 'i', 'S', 'm')
  AND c.relname !~ '^alembic_version'
"""


@dataclass(frozen=True)
class Trip:
    """A change: the SQL before it, the models after it, and the arguments of `-x`."""

    before: str
    models: str
    x: tuple[str, ...] = ()
    builds: bool = True  # whether tables or indexes are created, dropped or rewritten
    written: tuple[str, ...] = ()  # what the revisions contain


class OneProject(Project):
    """A project whose env.py uses this object, and whose commands have arguments of `-x`."""

    x: tuple[str, ...] = ()
    function: Callable[..., Any] = command.upgrade

    @property
    def config(self) -> Config:
        config = super().config
        config.attributes["project"] = self
        config.cmd_opts = Namespace(x=list(self.x), cmd=(self.function, [], []), autogenerate=True)
        return config

    def command(self, function: Callable[..., Any], *arguments: str, **options: Any) -> None:
        """Run one of Alembic's commands."""
        self.function = function
        run_command(self, function, *arguments, output=StringIO(), **options)


def project_of(trip: Trip, folder: Path, database: Database, driver: str) -> OneProject:
    """A project with the models of a trip, whose database has the tables from before it."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text(INI)
    (folder / "migrations" / "env.py").write_text(ENVIRONMENT)
    template = (SAMPLE / "migrations" / "script.py.mako").read_text()
    (folder / "migrations" / "script.py.mako").write_text(template)
    with database.connect() as connection:
        connection.execute(trip.before.encode())
    names: dict[str, Any] = {}
    exec(HEAD + trip.models, names)
    project = OneProject(metadata=names["metadata"], url=database.address(driver).url)
    return project.located(folder / "alembic.ini")


def faults_of(project: OneProject, trip: Trip, database: Database) -> Iterator[str]:
    """What goes wrong on the trip."""

    def schema() -> Schema:
        return comparable(read_schema(database.address(), "--no-privileges"))

    def files() -> dict[Any, Any]:
        return dict(database.query(FILES))

    before, files_before = schema(), files()
    project.x = trip.x
    project.command(command.revision, "change", autogenerate=True)
    project.x = ()
    text = "".join(path.read_text() for path in project.versions.glob("*.py"))
    yield from (f"{line!r} is not in the revisions" for line in trip.written if line not in text)
    project.command(command.upgrade, "head")
    after = schema()
    if not trip.builds and files() != files_before:
        yield f"something was built:\n{text}"
    project.command(command.check)
    project.command(command.downgrade, "base")
    yield from map(str, differences(before, schema(), "before", "after the downgrade"))
    project.command(command.upgrade, "head")
    yield from map(str, differences(after, schema(), "the first upgrade", "the second"))
