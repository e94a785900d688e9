"""What is compared: a rendered project, and what `alembic init -t async` makes of the same models."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from project import ROOT, Project, clean_environment, run
from server import Database

TABLE = """
class Table{number}(Base):
    __tablename__ = "table_{number:04}"
    __table_args__ = {{"schema": {schema!r}}}

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("{prefix}table_{parent:04}.id"))
    name: Mapped[str] = mapped_column(sa.String(100), index=True)
    rank: Mapped[int] = mapped_column(server_default=sa.text("0"))
    price: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")
    note: Mapped[str] = mapped_column(server_default="it's 100%")
    state: Mapped[str] = mapped_column(
        sa.Enum("open", "done", name="state_{number:04}", schema={schema!r}), server_default="open"
    )
    created_at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.func.now()
    )
"""

MODELS = """from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from {base} import Base
"""

# With the names that SQLAlchemy's documentation recommends.
# https://docs.sqlalchemy.org/en/21/core/constraints.html#configuring-a-naming-convention-for-a-metadata-collection
BARE_BASE = """from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
"""


@dataclass(frozen=True)
class Contestant:
    """A project that is timed: the programs of a virtual environment, in a folder."""

    folder: Path
    programs: Path
    models: Path
    base: str
    database: Database
    environment: dict[str, str] = field(repr=False)

    def alembic(self, *arguments: str) -> None:
        """Run Alembic, without uv around it, so that uv's time is in no figure."""
        self.program("alembic", *arguments)

    def program(self, name: str, *arguments: str) -> str:
        """Run a program of the virtual environment and return its output, which is shown if it fails."""
        done = subprocess.run(
            (self.programs / name, *arguments),
            cwd=self.folder,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise SystemExit(
                f"{done.args} exits with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Alembic and leave it running."""
        return subprocess.Popen(
            (self.programs / "alembic", *arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def write_models(self, tables: int, schemas: int = 0) -> None:
        """Write a module of models for every ten tables, in the default schema or in several."""
        for first in range(0, tables, 10):
            numbers = range(first, min(first + 10, tables))
            schema = f"schema_{first // 10 % schemas}" if schemas else None
            prefix = f"{schema}." if schema else ""
            source = MODELS.format(base=self.base) + "".join(
                "\n" + TABLE.format(number=number, parent=first, schema=schema, prefix=prefix)
                for number in numbers
            )
            (self.models / f"tables_{first:04}.py").write_text(source)

    def migrate(self, tables: int, revisions: int, schemas: int = 0) -> None:
        """Write the models and a history that makes them, and apply it."""
        for number in range(schemas):
            with self.database.connect() as connection:
                connection.execute(f"CREATE SCHEMA schema_{number}".encode())
        self.write_models(tables, schemas)
        self.alembic("revision", "--autogenerate", "-m", "tables")
        self.alembic("upgrade", "head")
        for number in range(1, revisions):
            self.alembic("revision", "-m", f"step {number}")
        self.alembic("upgrade", "head")


def rendered(to: Path, version: str = "HEAD", **answers: str) -> Project:
    """A project of the template as a commit has it, without an example and a web application."""
    answers = {"example": "no", "web": "none"} | answers
    data = [f"--data={name}={value}" for name, value in answers.items()]
    run(
        "uv", "run", "copier", "copy", "--quiet", "--defaults", f"--vcs-ref={version}", *data,
        ROOT, to, cwd=ROOT,
    )  # fmt: skip
    return Project(to, "my_service")


def ours(template: Project, to: Path, database: Database) -> Contestant:
    """A rendered project on a database of its own."""
    project = template.copy(to)
    project.run("true")  # makes its virtual environment
    environment = clean_environment() | database.environment
    programs = to / ".venv" / "bin"
    environment["PATH"] = f"{programs}:{environment['PATH']}"  # ruff, which revisions go through
    return Contestant(to, programs, project.models, "..base", database, environment)


def bare(programs: Path, to: Path, database: Database) -> Contestant:
    """What `alembic init -t async` makes, told its URL and its models by hand as its comments say."""
    environment = clean_environment()
    to.mkdir()
    run(programs / "alembic", "init", "--template", "async", "migrations", cwd=to)
    configuration = to / "alembic.ini"
    url = (
        f"postgresql+asyncpg://{database.user}:{database.password}"
        f"@{database.host}:{database.port}/{database.name}"
    )
    replace_in(configuration, "driver://user:pass@localhost/dbname", url.replace("%", "%%"))
    use_models(to / "migrations" / "env.py", "models", "models.base")
    replace_in(
        to / "migrations" / "env.py",
        "connection=connection, target_metadata=target_metadata",
        "connection=connection, target_metadata=target_metadata,\n"
        "        include_schemas=any(each.schema for each in target_metadata.tables.values())",
    )
    models = to / "models"
    models.mkdir()
    (models / "__init__.py").touch()
    (models / "base.py").write_text(BARE_BASE)
    return Contestant(to, programs, models, ".base", database, environment)


def use_models(environment: Path, models: str, base: str) -> None:
    """Tell a stock env.py the package of the models, every module of it, and the module of Base."""
    replace_in(
        environment,
        "target_metadata = None",
        f"import importlib, pkgutil\nimport {models} as models\nfrom {base} import Base\n"
        "for module in pkgutil.iter_modules(models.__path__):\n"
        "    importlib.import_module(f'{models.__name__}.{module.name}')\n"
        "target_metadata = Base.metadata",
    )


def replace_in(path: Path, old: str, new: str) -> None:
    """Replace what has to be in a file."""
    text = path.read_text()
    assert old in text, f"{path} does not hold {old}"
    path.write_text(text.replace(old, new))
