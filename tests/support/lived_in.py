"""A project that a team has lived in: models and revisions, settings, edits, deletions, rows."""

from dataclasses import dataclass
from typing import Any

from project import run
from releases import Updatable
from server import Database

CUSTOMER = '''\
"""Who buys."""

from sqlalchemy import Column, Identity, Integer, Table
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..metadata import metadata

tags = Table("tags", metadata, Column("id", Integer, primary_key=True))


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

from my_service.config import load_settings, settings
from my_service.errors import ConfigurationError, PaymentError
from my_service.migrate.command import upgrade_to_head


async def begin() -> None:
    """Bring the database up to date."""
    if load_settings().PRICE != settings.PRICE:
        raise ConfigurationError
    await upgrade_to_head()


def price(items: int) -> int:
    """The price of some items."""
    if items < 0:
        raise PaymentError
    return items * settings.PRICE
'''

TEST_BILLING = '''\
"""The price."""

import pytest
from alembic import command

from my_service.billing import begin, price
from my_service.database.address import Address
from my_service.errors import PaymentError
from my_service.migrate.command import run_command


def test_the_price(seven: int) -> None:
    assert price(2) == 2 * seven
    with pytest.raises(PaymentError):
        price(-1)


async def test_the_start(database: Address) -> None:
    await begin()
    run_command(command.check)
'''

# Without `upgrade_to_head`, which 0.1.0 does not have.
NO_START = {
    "import upgrade_to_head\n": "import run_command\n",
    "    await upgrade_to_head()\n": '    run_command(command.upgrade, "head")\n',
    "from my_service.config import load": "from alembic import command\n\nfrom my_service.config import load",
}

INDEX = '''\
"""Index names"""

from alembic import op

from my_service.{schema} import SCHEMA
{operations}
revision = "000000000001"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    {create}("ix_customers_name", "customers", ["name"], schema=SCHEMA)


def downgrade() -> None:
    {drop}("ix_customers_name", "customers", schema=SCHEMA)
'''

# What a team changes in files that it found: the file, a text of it, and that text with more. The
# first of several files is the one that the release has.
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
        "    DB_HOST: ",
        '    PRICE: int = 7\n    PORT: Port = 8080\n    KEY: SecretStr = SecretStr("")\n\n    DB_HOST: ',
    ),
    (
        "src/my_service/errors.py",
        "",
        '\n\nclass PaymentError(ConfigurationError):\n    """Nothing is paid."""\n',
    ),
    (
        "src/my_service/database/engine.py",
        "",
        '\n\nasync def close() -> None:\n    """Close all connections."""\n'
        "    await get_engine().dispose()\n",
    ),
    (
        "src/my_service/database/session.py",
        "",
        "\n\nasync def ping() -> None:\n"
        '    """Wait until the server answers."""\n'
        "    async with get_engine().connect() as connection:\n"
        '        await connection.exec_driver_sql("SELECT 1")\n',
    ),
    (
        "src/my_service/migrate/status.py src/my_service/migrate/commands/status.py",
        '    return {"database"',
        '    # Ours: the room of the team goes here one day.\n    return {"database"',
    ),
    (".gitignore", "__pycache__/\n", "__pycache__/\n/invoices/\n"),
    ("Dockerfile", "RUN useradd", "# Ours: it may not log in.\nRUN useradd"),
    (
        "tests/conftest.py",
        "",
        "\n\n@pytest.fixture\ndef seven() -> int:\n"
        '    """The price of one."""\n    return settings.PRICE\n',
    ),
    (
        "tests/test_migrations.py",
        "",
        "\n\ndef test_the_dump_is_stable(empty_database: Address) -> None:\n"
        "    assert dump_schema(empty_database) == dump_schema(empty_database)\n",
    ),
    ("pyproject.toml", "dev = [\n", 'dev = [\n    "boltons>=24",\n'),
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
    """Do to a default project of a release what teams do, and commit it."""
    (project.path / ".env").write_text(
        "".join(f"{name}={value}\n" for name, value in database.environment.items())
    )
    for path in DELETED:
        (project.path / path).unlink()
    grow(project)
    add_rows(database)
    lines = {}
    for paths, text, changed in EDITS:
        path = next(path for path in paths.split() if (project.path / path).exists())
        project.edit(path, text, changed)
        lines[path] = {*changed.splitlines()} - {*text.splitlines(), ""}
    has_start = "def upgrade_to_head" in project.read("src/my_service/migrate/command.py")
    without = {} if has_start else NO_START
    for path, text in (
        ("src/my_service/billing.py", BILLING),
        ("tests/test_billing.py", TEST_BILLING),
    ):
        for old, new in without.items():
            text = text.replace(old, new)
        project.write(path, text)
    run("uv", "add", "--quiet", "more-itertools", cwd=project.path)
    project.commit()
    revisions = {path.name: path.read_bytes() for path in project.versions}
    return Life(lines, revisions, rows(database))


def grow(project: Updatable) -> None:
    """Eleven revisions or more, written by Alembic and by hand."""
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
    index(project)
    assert len(project.versions) >= 1 + 11  # some releases write two for one change


def index(project: Updatable) -> None:
    """A revision that imports from the package, as autogenerate writes it since 0.2.0."""
    [head] = [word for word in project.alembic("heads").stdout.split() if len(word) == 12]
    names = ("create_index_concurrently", "drop_index_concurrently")
    has_operations = any(project.migrate.glob("operations*"))
    has_schema = (project.source / "database" / "schema.py").exists()
    text = INDEX.format(
        head=head,
        schema="database.schema" if has_schema else "database.metadata",
        operations=f"from my_service.migrate.operations import {', '.join(names)}\n"
        if has_operations
        else "",
        create=names[0] if has_operations else "op.create_index",
        drop=names[1] if has_operations else "op.drop_index",
    )
    if has_operations:
        text = text.replace("from alembic import op\n\n", "")
    project.write("migrations/versions/2027_01_01_000000-000000000001_index_names.py", text)
    if (project.path / "migrations" / "head.txt").exists():
        project.write("migrations/head.txt", "000000000001\n")
    project.write_model(
        "customer",
        project.read("src/my_service/database/models/customer.py").replace(
            "    name: Mapped[str]\n", "    name: Mapped[str] = mapped_column(index=True)\n"
        ),
    )
    project.alembic("upgrade", "head")


def autogenerate(project: Updatable, message: str) -> None:
    """A revision from the models, applied."""
    project.alembic("-x", "allow-drop", "revision", "--autogenerate", "-m", message)
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
