"""Projects that the template has not made are brought under it as docs/how-to/adopt.md says."""

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from project import ROOT, commit, run, said
from releases import Releases, Updatable
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
dependencies = ["alembic", "sqlalchemy", "packaging>=20"]
"""

BASE = """\
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    pass
"""

# What a team chooses that has read about naming conventions.
OWN_CONVENTION = """\
    naming_convention={
        "ix": "%(column_0_label)s_idx",
        "uq": "%(table_name)s_%(column_0_name)s_unique",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_name)s_ref",
        "pk": "%(table_name)s_pk",
    },
)
"""

OWN_BASE = f"""\
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

project_metadata = MetaData(
{OWN_CONVENTION}

class Base(DeclarativeBase):
    metadata = project_metadata
"""

IMPORTS = """\
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column
"""

CUSTOMER = """

class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    joined: Mapped[datetime] = mapped_column(server_default=func.now())
"""

PURCHASE = """

class Purchase(Base):
    __tablename__ = "purchases"
    __table_args__ = (CheckConstraint("price >= 0", name="price_not_negative"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    price: Mapped[int]
"""

LATER_COLUMN = "    note: Mapped[str | None]\n"

OWN_SETTINGS = """\
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    database_url: str


settings = Settings()
"""

OWN_DATABASE = """\
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from shop.config import settings

engine = create_async_engine(settings.database_url)
session_factory = async_sessionmaker(engine)
"""


def commands(part: int, number: int = 0) -> str:
    """A block of commands of one part of the guide."""
    text = re.split(r"^## \d\. ", GUIDE, flags=re.MULTILINE)[part]
    blocks: list[str] = re.findall(r"```sh\n(.+?)```", text, re.DOTALL)
    return blocks[number]


def python(number: int) -> str:
    """A block of Python in the guide: the project, then the names of constraints that Postgres chose."""
    blocks: list[str] = re.findall(r"```python\n(.+?)```", GUIDE, re.DOTALL)
    return blocks[number]


class Existing:
    """A project on the way."""

    def __init__(self, path: Path, database: Database, releases: Releases, tools: Path) -> None:
        path.mkdir()
        self.path = path
        self.tools = tools
        self.database = database
        login = f"{database.user}:{database.password}@{database.host}:{database.port}"
        self.address = f"{login}/{database.name}"
        # `alembic` is this environment's until the project has one of its own.
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**PERSON, "TEMPLATE": str(releases.repository), "PATH": programs}

    def sh(self, commands: str, *, ok: bool = True) -> str:
        """Run some commands in its folder."""
        return said(run("sh", "-ec", commands, cwd=self.path, ok=ok, environment=self.environment))

    def write(self, path: str, text: str) -> None:
        """Write one of its files."""
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_text(text)

    def change(self, path: str, old: str, new: str) -> None:
        """Change a text in one of its files."""
        text = (self.path / path).read_text()
        assert old in text, f"{path} has no {old!r}"
        self.write(path, text.replace(old, new, 1))

    def live(self, model: str) -> None:
        """Two revisions by its own Alembic, rows, and everything committed."""
        self.sh("alembic revision --autogenerate -m first && alembic upgrade head")
        self.write(model, (self.path / model).read_text() + LATER_COLUMN)
        self.sh("alembic revision --autogenerate -m second && alembic upgrade head")
        self.database.query(
            "INSERT INTO customers (email) SELECT n || '@example.com' FROM generate_series(1, 1000) n"
        )
        self.database.query(
            "INSERT INTO purchases (customer_id, price) SELECT id, 7 FROM customers"
        )
        commit(self.path)

    def state(self) -> list[list[tuple[Any, ...]]]:
        """What its database holds: revision, rows, and the names of constraints and indexes."""
        return [
            self.database.query("SELECT * FROM alembic_version"),
            self.database.query("SELECT * FROM customers ORDER BY id"),
            self.database.query("SELECT * FROM purchases ORDER BY id"),
            self.database.query("SELECT conname, contype::text FROM pg_constraint ORDER BY 1"),
            self.database.query("SELECT indexname FROM pg_indexes ORDER BY 1"),
        ]

    def revisions(self) -> dict[str, bytes]:
        """Its history, wherever it is."""
        return {path.name: path.read_bytes() for path in self.path.glob("*/versions/*.py")}

    @property
    def pyproject(self) -> dict[str, Any]:
        """Its pyproject.toml."""
        return tomllib.loads((self.path / "pyproject.toml").read_text())

    def set_in_pyproject(self) -> None:
        """Write the settings of the guide into pyproject.toml."""
        for block in re.findall(r"```toml\n(.+?)```", GUIDE, re.DOTALL):
            for table, lines in re.findall(r"(\[.+\])\n((?:[^[\n].*\n)+)", block):
                text = (self.path / "pyproject.toml").read_text()
                if f"\n{table}\n" not in text:
                    text += f"\n{table}\n"
                for line in lines.splitlines():
                    name = line.split(" = ")[0]
                    before, found, after = text.partition(f"\n{table}\n")
                    here, *rest = re.split(r"(?=^\[)", after, maxsplit=1, flags=re.MULTILINE)
                    here = re.sub(rf"^{name} = .*\n", "", here, flags=re.MULTILINE)
                    text = "".join([before, found, line + "\n", here, *rest])
                self.write("pyproject.toml", text)

    def prove(self, releases: Releases, package: str = "shop") -> None:
        """Do what the guide does to see that nothing has changed, and update it later on."""
        self.environment |= self.database.environment
        shutil.copytree(self.tools, self.path / ".venv", symlinks=True, copy_function=os.link)
        before = self.state()
        self.sh(commands(5))
        assert self.state() == before
        assert "(head)" in self.sh("uv run alembic current")
        assert self.sh("git status --porcelain") == ""
        assert "0 new revisions since" in self.sh(commands(5, 1))

        change = releases.repository / "template" / "alembic.ini.jinja"
        change.write_text(change.read_text().replace("timezone = UTC", "timezone = Asia/Tokyo"))
        releases.release(LATER)
        project = Updatable(self.path, package)
        files = project.files() | project.files(teams=True)
        project.update(LATER, trust=False)
        assert project.conflicts() == {}
        after = project.files() | project.files(teams=True)
        changed = {path for path in files if after[path] != files[path]}
        assert changed == {".copier-answers.yml", "alembic.ini"}
        assert after.keys() == files.keys()


@pytest.fixture
def fork(releases: Releases, tmp_path: Path) -> Releases:
    """A template that will have a later release."""
    return releases.fork(tmp_path / "releases")


@pytest.fixture
def existing(database: Database, fork: Releases, tools: Path, tmp_path: Path) -> Existing:
    """An empty folder and an empty database."""
    return Existing(tmp_path / "shop", database, fork, tools)


@pytest.mark.full
def test_what_alembic_init_makes_is_adopted(existing: Existing, fork: Releases) -> None:
    project = existing
    project.sh("alembic init alembic")
    url = f"postgresql+psycopg://{project.address}"
    project.change("alembic.ini", "driver://user:pass@localhost/dbname", url)
    imports = "from shop.models import Base\ntarget_metadata = Base.metadata"
    project.change("alembic/env.py", "target_metadata = None", imports)
    project.write("pyproject.toml", PYPROJECT)
    project.write("README.md", "# Our shop\n")
    project.write(".gitignore", "__pycache__/\n")
    project.write("shop/__init__.py", "")
    project.write("shop/models.py", IMPORTS + BASE + CUSTOMER + PURCHASE)
    project.live("shop/models.py")
    history, before = project.revisions(), project.state()
    models = (project.path / "shop" / "models.py").read_text()

    project.sh(commands(1))
    assert "CONFLICT" in project.sh(commands(2, 0), ok=False)
    project.sh(commands(2, 1))
    project.sh("git checkout --theirs .gitignore && git add .gitignore")
    assert project.sh("git diff --name-only --diff-filter=U") == ""
    project.sh(commands(2, 2))
    assert project.pyproject["project"]["dependencies"].count("packaging>=20") == 1
    project.sh("git commit --quiet --all --message Merge")
    assert project.revisions() == history
    project.write("src/shop_db/database/__init__.py", python(0))
    project.set_in_pyproject()
    project.prove(fork, "shop_db")
    assert project.state() == before
    assert (project.path / "README.md").read_text() == "# Our shop\n"
    assert (project.path / "src/shop/models.py").read_text() == models


@pytest.mark.full
def test_a_hand_made_async_project_is_adopted(existing: Existing, fork: Releases) -> None:
    project = existing
    project.environment["DATABASE_URL"] = f"postgresql+asyncpg://{project.address}"
    project.sh("alembic init -t async migrations")
    project.change("alembic.ini", "prepend_sys_path = .", "prepend_sys_path = src")
    project.change(
        "migrations/env.py",
        "target_metadata = None",
        "from shop import models\nfrom shop.config import settings\nfrom shop.models.base import Base\n"
        'target_metadata = Base.metadata\nconfig.set_main_option("sqlalchemy.url", settings.database_url)',
    )
    project.write("pyproject.toml", PYPROJECT)
    project.write("README.md", "# Our shop\n")
    project.write(".gitignore", "__pycache__/\n.venv/\n/invoices/\n")
    project.write("src/shop/__init__.py", "")
    project.write("src/shop/config.py", OWN_SETTINGS)
    project.write("src/shop/db.py", OWN_DATABASE)
    project.write("src/shop/models/__init__.py", "from . import customer, purchase\n")
    project.write("src/shop/models/base.py", OWN_BASE)
    imports = f"{IMPORTS}\nfrom .base import Base\n"
    project.write("src/shop/models/customer.py", imports + CUSTOMER)
    project.write("src/shop/models/purchase.py", imports + PURCHASE)
    project.write(
        "tests/test_shop.py", "def test_the_shop_is_open() -> None:\n    assert 1 + 1 == 2\n"
    )
    project.live("src/shop/models/purchase.py")
    history, before = project.revisions(), project.state()

    project.sh(
        """
        git switch --create adopt
        mkdir -p src/shop/database
        git mv src/shop/models src/shop/database/models
        git mv src/shop/config.py src/shop/app_config.py
        git rm --force --quiet src/shop/database/models/__init__.py src/shop/database/models/base.py
        git commit --quiet --message "Move to where the template has things"
        """
    )
    one_package = commands(2, 0).replace("-d package_name=shop_db ", "")
    assert "CONFLICT" in project.sh(one_package, ok=False)
    project.sh("git checkout --theirs migrations .gitignore && git add migrations .gitignore")
    project.sh(commands(2, 1))
    assert project.sh("git diff --name-only --diff-filter=U") == ""
    project.sh("echo /invoices/ >> .gitignore && git add .gitignore")
    project.sh("git commit --quiet --message Merge")
    assert project.revisions() == history
    for model in ("customer", "purchase"):
        path = f"src/shop/database/models/{model}.py"
        project.change(path, "from .base import Base", "from ..base import Base")
    project.change(
        "src/shop/db.py", "from shop.config import settings", "from shop.app_config import settings"
    )
    use_names(project, f"metadata = MetaData(\n{OWN_CONVENTION}")
    project.prove(fork)
    assert project.state() == before


def use_names(project: Existing, metadata: str) -> None:
    """Put a project's own names of constraints in the place of the template's."""
    path = project.path / "src" / "shop" / "database" / "__init__.py"
    before, rest = path.read_text().split("metadata = MetaData(\n")
    _, after = rest.split("\n\nproject = ")
    path.write_text(f"{before}{metadata}\n\nproject = {after}")
