"""Models on another MetaData than the project's: they are named, and several MetaData work."""

from edit import edit
from project import said
from sample import NewProject

INVOICES = """
import enum

from sqlalchemy import Enum, ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .database import metadata
from .database.models.note import Note


class Base(DeclarativeBase):
    metadata = MetaData(schema="billing", naming_convention=metadata.naming_convention)


class State(enum.Enum):
    OPEN = "open"
    PAID = "paid"


class Invoice(Base):
    __tablename__ = "invoices"

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[State] = mapped_column(Enum(State, schema="billing"))
    note_id: Mapped[int] = mapped_column(ForeignKey(Note.id))


class Line(Base):
    __tablename__ = "lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey(Invoice.id), index=True)
"""
GATE = "test_every_model_is_found"
SEAM = "src/my_service/database/__init__.py"


def test_models_on_another_metadata_are_named_and_then_migrated(new_project: NewProject) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    (project.path / "src/my_service/invoices.py").write_text(INVOICES)
    refused = said(project.alembic("check", ok=False))
    assert "src/my_service/invoices.py:20 Invoice" in refused
    edit(
        project.path / SEAM, 'models="my_service.database.models"',
        'models=["my_service.database.models", "my_service.invoices"]',
    )  # fmt: skip
    refused = said(project.alembic("check", ok=False))
    assert "my_service.invoices.Invoice (my_service.invoices.Base.metadata)" in refused
    assert "No new upgrade operations" not in refused
    warned = said(project.alembic("revision", "--autogenerate", "-m", "nothing"))
    assert "Add it: Project(metadata=[…, my_service.invoices.Base.metadata])" in warned
    assert "my_service.invoices.Line" in project.run("pytest", "-k", GATE, ok=False).stdout

    edit(project.path / SEAM, ", metadata=metadata,", ", metadata=[metadata, billing],")
    edit(project.path / SEAM, "project = ", 'billing = MetaData(schema="billing")\n\nproject = ')
    invoices = project.path / "src/my_service/invoices.py"
    named = 'MetaData(schema="billing", naming_convention=metadata.naming_convention)'
    edit(invoices, named, "billing")
    edit(invoices, "import metadata", "import billing")
    project.alembic("revision", "--autogenerate", "-m", "invoices")
    assert "CREATE TABLE billing.invoices" in said(project.db("plan", "--verbose"))
    project.alembic("upgrade", "head")
    assert "No new upgrade operations" in said(project.alembic("check"))
    project.db("drift")
    assert "invoices" in project.db("graph").stdout
    assert "8 passed" in project.run("pytest", "tests/test_migrations.py").stdout
    project.db("baseline", "--models", "--output", "tables.py")
    assert "class Invoices" in (project.path / "tables.py").read_text()
