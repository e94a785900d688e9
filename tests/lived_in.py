"""A project that a team has lived in: models and revisions, settings, edits, deletions, rows."""

from dataclasses import dataclass
from typing import Any

from project import run
from releases import Updatable
from server import Database

CUSTOMER = '''\
"""Who buys."""

from sqlalchemy import Identity
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
'''

ORDER = '''\
"""What they buy."""

from sqlalchemy import ForeignKey, Identity
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
'''

BILLING = '''\
"""What it costs."""

from my_service.config import settings


def price(items: int) -> int:
    """The price of some items."""
    return items * settings.PRICE
'''

TEST_BILLING = '''\
"""The price."""

from my_service.billing import price


def test_the_price() -> None:
    assert price(2) == 14
'''

# What a team changes in files that it found: the file, a line of it, and that line with more.
EDITS = [
    ("README.md", "## Begin\n", "Ask the orders team, room 12.\n\n## Begin\n"),
    ("alembic.ini", "timezone = UTC\n", "timezone = UTC\ntruncate_slug_length = 30\n"),
    (
        "migrations/env.py",
        '        dialect_name="postgresql",\n',
        '        dialect_name="postgresql",\n        sqlalchemy_module_prefix="sa.",\n',
    ),
    (
        "src/my_service/config.py",
        '    DB_SSLROOTCERT: str = ""\n',
        '    DB_SSLROOTCERT: str = ""\n\n    PRICE: int = 7\n',
    ),
    (
        "src/my_service/migrate/status.py",
        '    return {"database"',
        '    # Ours: the room of the team goes here one day.\n    return {"database"',
    ),
    (".gitignore", "__pycache__/\n", "__pycache__/\n/invoices/\n"),
    ("Dockerfile", "RUN useradd", "# Ours: it may not log in.\nRUN useradd"),
    ("tests/conftest.py", "", "\n\nOURS = 12  # the room\n"),
]

DELETED = [
    "compose.yaml",
    "src/my_service/database/models/note.py",
    "tests/test_note.py",
]


@dataclass
class Life:
    """What there was before an update, and has to be there after it."""

    lines: dict[str, set[str]]
    revisions: dict[str, bytes]
    rows: list[list[tuple[Any, ...]]]


def live_in(project: Updatable, database: Database) -> Life:
    """Do to a default project of the oldest release what teams do, and commit it."""
    (project.path / ".env").write_text(
        "".join(f"{name}={value}\n" for name, value in database.environment.items())
    )
    for path in DELETED:
        (project.path / path).unlink()
    grow(project)
    add_rows(database)
    (project.path / "src/my_service/billing.py").write_text(BILLING)
    (project.path / "tests/test_billing.py").write_text(TEST_BILLING)
    for path, line, changed in EDITS:
        file = project.path / path
        text = file.read_text()
        assert line in text, f"{path} has no line {line!r}"
        file.write_text(text.replace(line, changed, 1) if line else text + changed)
    run("uv", "add", "--quiet", "more-itertools", cwd=project.path)
    project.commit()
    added = {
        path: set(changed.splitlines()) - set(line.splitlines()) for path, line, changed in EDITS
    }
    return Life(
        {path: {line for line in lines if line} for path, lines in added.items()},
        {path.name: path.read_bytes() for path in project.versions},
        rows(database),
    )


def grow(project: Updatable) -> None:
    """Ten revisions, written by Alembic and by hand in turn."""
    project.alembic("upgrade", "head")
    project.write_model("customer", CUSTOMER)
    autogenerate(project, "Add customers, drop notes")
    by_hand(project, "Greet", "SELECT 1")
    project.write_model("order", ORDER)
    autogenerate(project, "Add orders")
    by_hand(project, "Sort", "UPDATE customers SET name = trim(name)")
    for table, columns in {
        "customer": ("email", "city", "phone"),
        "order": ("note", "agent", "origin"),
    }.items():
        for column in columns[:2]:
            model = project.models / f"{table}.py"
            model.write_text(f"{model.read_text()}    {column}: Mapped[str | None]\n")
            autogenerate(project, f"Add {table}'s {column}")
    by_hand(project, "Fill", "UPDATE orders SET note = '' WHERE note IS NULL")
    by_hand(project, "Tidy", "UPDATE customers SET city = NULL WHERE city = ''")
    assert len(project.versions) == 1 + 10


def autogenerate(project: Updatable, message: str) -> None:
    """A revision from the models, applied."""
    project.alembic("revision", "--autogenerate", "-m", message)
    project.alembic("upgrade", "head")


def by_hand(project: Updatable, message: str, statement: str) -> None:
    """A revision that somebody wrote, applied."""
    before = set(project.versions)
    project.alembic("revision", "-m", message)
    [revision] = set(project.versions) - before
    text = revision.read_text()
    upgrade = '    """Bring the schema to this revision."""\n'
    assert upgrade in text
    revision.write_text(text.replace(upgrade, f'{upgrade}    op.execute("{statement}")\n'))
    project.alembic("upgrade", "head")


def add_rows(database: Database) -> None:
    """A database full of rows."""
    database.query(
        "INSERT INTO customers (name, email) SELECT 'Customer ' || n, n || '@example.com' "
        "FROM generate_series(1, 10000) n"
    )
    database.query(
        "INSERT INTO orders (customer_id) SELECT id FROM customers, generate_series(1, 3)"
    )


def rows(database: Database) -> list[list[tuple[Any, ...]]]:
    """Every row, and the revision."""
    return [
        database.query("SELECT * FROM customers ORDER BY id"),
        database.query("SELECT * FROM orders ORDER BY id"),
        database.query("SELECT * FROM alembic_version"),
    ]
