"""Where the server cannot parse the models' definitions, that is said: no difference, and no clean."""

import os
from collections.abc import Iterator

import pytest
from project import Project, said
from sample import NewProject
from server import Database

MODELS = """
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class Thing(Base):
    __tablename__ = "things"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('a', 'b')", name="kind_known"),
        sa.Index("ix_lower", sa.text("lower(kind)")),
        sa.Index("ix_kind", "kind"),
    )

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(5), server_default="a")
    at = mapped_column(sa.DateTime, server_default=sa.text("timezone('utc', now())"))
"""

ROLE = f"limited_{os.getpid()}"


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A project whose database is up to date."""
    project = new_project(example=False)
    project.write_model("things", MODELS)
    project.alembic("revision", "--autogenerate", "-m", "things")
    project.alembic("upgrade", "head")
    return project


@pytest.fixture
def limited(project: Project, database: Database) -> Iterator[Project]:
    """The project of a role that may not create temporary tables."""
    with database.connect() as connection:
        for statement in (
            f"CREATE ROLE {ROLE} LOGIN PASSWORD 'secret'",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ROLE}",
            f'REVOKE TEMPORARY ON DATABASE "{database.name}" FROM PUBLIC',
        ):
            connection.execute(statement.encode())
    yield project.given(DB_USER=ROLE, DB_PASSWORD="secret")
    with database.connect() as connection:
        connection.execute(f"DROP OWNED BY {ROLE}".encode())
        connection.execute(f"DROP ROLE {ROLE}".encode())


NAMES = ("check constraint things.ck_things_kind_known", "index ix_lower", "default of things.at")


def require_named(text: str, reason: str) -> None:
    [warning] = [line for line in text.splitlines() if line.startswith("WARN")]
    assert reason in warning
    for name in NAMES:
        assert name in warning
    assert "ix_kind" not in warning  # what needs no server is compared
    assert "things.kind" not in warning


def test_a_role_without_temporary_tables_is_told_what_is_not_compared(limited: Project) -> None:
    text = said(limited.alembic("check"))
    require_named(text, "permission denied to create temporary tables in database")
    limited.write_model("things", MODELS.replace('"a")', '"b")'))
    assert "default of things.kind" in said(limited.alembic("check"))
    limited.write_model("things", MODELS.replace(', server_default="a"', ""))
    assert "modify_default" in said(limited.alembic("check", ok=False))


def test_a_server_that_only_reads_is_told_from_one_that_agrees(
    project: Project, database: Database
) -> None:
    name = f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on'
    with database.connect() as connection:
        connection.execute(name.encode())
    require_named(said(project.alembic("check")), "in a read-only transaction")
    done = project.alembic("revision", "--autogenerate", "-m", "nothing")
    assert "agree in all that was compared: no revision was written" in said(done)
