"""The cyclic garbage collector works while revisions run, and rests while models are compared."""

import pytest
from project import Project
from sample import NewProject
from server import Database

pytestmark = pytest.mark.typed  # a process of its own for each command

# Rows of an ORM in batches: each refers to what refers to it, as parents and children do.
REVISION = '''"""By hand"""

import gc
import os
import resource

from alembic import op
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.orm import selectinload

revision = "by_hand"
down_revision = None


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    children: Mapped[list["Child"]] = relationship(back_populates="parent")


class Child(Base):
    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(ForeignKey("parents.id"))
    parent: Mapped[Parent] = relationship(back_populates="children")


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def upgrade() -> None:
    op.execute("CREATE TABLE parents (id int PRIMARY KEY, text text NOT NULL)")
    op.execute("CREATE TABLE children (id int PRIMARY KEY, parent_id int NOT NULL)")
    op.execute("INSERT INTO parents SELECT n, repeat('x', 500) FROM generate_series(1, 40000) n")
    op.execute("INSERT INTO children SELECT n, n FROM generate_series(1, 40000) n")
    before = peak()
    with Session(op.get_bind()) as session:
        for start in range(0, 40000, 500):
            batch = select(Parent).where(Parent.id.between(start, start + 499))
            for parent in session.scalars(batch.options(selectinload(Parent.children))):
                assert all(child.parent is parent for child in parent.children)
            session.expunge_all()
    path = os.environ["SAID"]
    with open(path, "w") as file:
        file.write(f"{gc.isenabled()} {peak() - before}")


def downgrade() -> None:
    pass
'''

MODEL = """\
import gc
import os

with open(os.environ["SAID"], "w") as file:
    file.write(str(gc.isenabled()))
"""

MEBIBYTE = 1024  # ru_maxrss counts in KiB


def test_a_data_revision_needs_memory_for_a_batch_and_not_for_all(
    new_project: NewProject, database: Database
) -> None:
    project = new_project(example=False)
    (project.path / "migrations" / "versions" / "by_hand.py").write_text(REVISION)
    is_enabled, grown = run(project, "upgrade", "head").split()
    assert is_enabled == "True"
    assert int(grown) < 40 * MEBIBYTE


def test_the_collector_rests_while_models_are_compared(
    new_project: NewProject, database: Database
) -> None:
    project = new_project(example=False)
    project.write_model("looks", MODEL)
    project.alembic("upgrade", "head")
    assert run(project, "check") == "False"


def run(project: Project, *arguments: str) -> str:
    said = project.path / "said"
    project.given(SAID=str(said)).alembic(*arguments)
    return said.read_text()
