"""Projects that the template has not made are brought under it as docs/how-to/adopt.md says."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from project import ROOT, commit, run, said
from releases import WORKING_TREE, Releases, Updatable
from server import Database

GUIDE = (ROOT / "docs" / "how-to" / "adopt.md").read_text(encoding="utf-8")

LATER = "999.1.0"

PERSON = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "Test"), ("EMAIL", "test@example.com"))
}

PYPROJECT = """\
[project]
name = "shop"
version = "2.3.0"
requires-python = ">=3.11"
dependencies = ["alembic", "sqlalchemy"]
"""

MODELS = '''\
"""What is sold, and to whom."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    joined: Mapped[datetime] = mapped_column(server_default=func.now())


class Purchase(Base):
    __tablename__ = "purchases"
    __table_args__ = (CheckConstraint("price >= 0", name="price_not_negative"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    price: Mapped[int]
'''

LATER_COLUMN = "    note: Mapped[str | None]\n"


def commands(part: int, number: int = 0) -> str:
    """A block of commands of one part of the guide."""
    text = re.split(r"^## \d\. ", GUIDE, flags=re.MULTILINE)[part]
    return re.findall(r"```sh\n(.+?)```", text, re.DOTALL)[number]


def convention() -> str:
    """The names that Postgres chooses, as the guide writes them."""
    [block] = re.findall(r"```python\n(.+?)```", GUIDE, re.DOTALL)
    return block


class Existing:
    """A project on the way."""

    def __init__(self, path: Path, database: Database, releases: Releases, tools: Path) -> None:
        path.mkdir()
        self.path = path
        self.database = database
        self.environment = {
            **PERSON,
            **database.environment,
            "TEMPLATE": str(releases.repository),
            "PATH": f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        self.url = (
            f"{database.user}:{database.password}@{database.host}:{database.port}/{database.name}"
        )

    def sh(self, commands: str, *, ok: bool = True) -> str:
        """Run some commands in its folder."""
        return said(
            run("sh", "-ec", commands, cwd=self.path, ok=ok, environment=self.environment)
        )

    def write(self, path: str, text: str) -> None:
        """Write one of its files."""
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_text(text)

    def change(self, path: str, old: str, new: str) -> None:
        """Change a text in one of its files."""
        text = (self.path / path).read_text()
        assert old in text, f"{path} has no {old!r}"
        self.write(path, text.replace(old, new, 1))

    def state(self) -> list[list[tuple[Any, ...]]]:
        """What its database holds: revision, rows, and the names of everything."""
        return [
            self.database.query("SELECT * FROM alembic_version"),
            self.database.query("SELECT * FROM customers ORDER BY id"),
            self.database.query("SELECT * FROM purchases ORDER BY id"),
            self.database.query("SELECT conname, contype::text FROM pg_constraint ORDER BY 1"),
        ]


@pytest.fixture
def existing(database: Database, releases: Releases, tools: Path, tmp_path: Path) -> Existing:
    """An empty folder and an empty database."""
    return Existing(tmp_path / "shop", database, releases, tools)


def live(project: Existing, models: str) -> None:
    """Two revisions by the project's own Alembic, rows, and everything committed."""
    project.sh("alembic revision --autogenerate -m first && alembic upgrade head")
    text = (project.path / models).read_text()
    project.write(models, text + LATER_COLUMN)
    project.sh("alembic revision --autogenerate -m second && alembic upgrade head")
    project.database.query(
        "INSERT INTO customers (email) SELECT n || '@example.com' FROM generate_series(1, 1000) n"
    )
    project.database.query("INSERT INTO purchases (customer_id, price) SELECT id, 7 FROM customers")
    commit(project.path)


def test_what_alembic_init_makes_is_adopted(existing: Existing, releases: Releases) -> None:
    project = existing
    project.sh("alembic init alembic")
    project.change("alembic.ini", "driver://user:pass@localhost/dbname", f"postgresql+asyncpg://{project.url}")
    project.write("pyproject.toml", PYPROJECT)
    project.write("README.md", "# Our shop\n")
    project.write("shop/__init__.py", "")
    project.write("shop/models.py", MODELS)
    project.change("alembic/env.py", "target_metadata = None", "from shop.models import Base\ntarget_metadata = Base.metadata")
