"""A bench: a project and a database with tables, in which tests try single operations."""

from dataclasses import dataclass

from project import Project, said
from server import Database

REVISION = '''"""What is tried"""

import sqlalchemy as sa
from alembic import op
from alembic_live import operations

revision: str = "tried"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    operations.{call}


def downgrade() -> None:
    pass
'''

# A column that was dropped: the numbers of the others are not those of a copy.
TABLES = """
    CREATE SCHEMA other;
    CREATE TABLE things (
        id int PRIMARY KEY, gone int, name text, kind varchar(20), "Odd Name" text, tags text[], "of" int
    );
    ALTER TABLE things DROP COLUMN gone;
    CREATE TABLE owners (id int PRIMARY KEY, other int UNIQUE);
    CREATE TABLE strangers (id int PRIMARY KEY);
    CREATE TABLE other.things (LIKE things);
"""


@dataclass
class Bench:
    """A project without revisions, and a database with tables, in which a call can be tried."""

    project: Project
    database: Database

    def upgrade(self, call: str, *, ok: bool = True) -> str:
        """Run a revision that calls an operation. Returns what was said, on one line."""
        path = self.project.path / "migrations" / "versions" / "tried.py"
        path.write_text(REVISION.format(package=self.project.package, call=call))
        self.database.query("DROP TABLE IF EXISTS alembic_version")
        done = self.project.alembic("upgrade", "head", ok=ok)
        assert ok or done.returncode != 0
        assert "Traceback" not in said(done)
        return " ".join(said(done).split())


def create(database: Database, what: str) -> None:
    """`CREATE …`."""
    with database.connect() as connection:
        connection.execute(f"CREATE {what}".encode())


def drop_indexes(database: Database) -> None:
    """Those of the tried name."""
    database.query("DROP INDEX IF EXISTS ix")
    database.query("DROP INDEX IF EXISTS other.ix")


def add(database: Database, constraint: str) -> None:
    """`ALTER TABLE … ADD CONSTRAINT …`."""
    with database.connect() as connection:
        connection.execute(f"ALTER TABLE things ADD CONSTRAINT k {constraint}".encode())


def drop_constraint(database: Database) -> None:
    """That of the tried name."""
    database.query("ALTER TABLE things DROP CONSTRAINT k")
