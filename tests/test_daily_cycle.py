"""What a person does every day: change a model, write a revision, migrate."""

import pytest
from conftest import Render
from server import Database

MODEL = """
from sqlalchemy import Identity
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
"""


@pytest.mark.parametrize("schema", ["public", "sales"])
def test_a_changed_model_becomes_a_revision_that_goes_up_and_down(
    render: Render, database: Database, schema: str
) -> None:
    project = render(database_schema=schema)
    project.alembic("upgrade", "head")
    project.write_model("customer", MODEL)

    project.alembic("revision", "--autogenerate", "-m", "Add customers")
    project.alembic("upgrade", "head")
    assert columns(database, schema, "customers") == ["id", "name"]
    project.alembic("check")

    project.alembic("downgrade", "-1")
    assert columns(database, schema, "customers") == []
    project.alembic("upgrade", "+1")
    assert columns(database, schema, "customers") == ["id", "name"]
    newest = project.versions[-1].name.split("-")[1].split("_")[0]
    assert project.alembic("current").stdout.strip() == f"{newest} (head)"


def columns(database: Database, schema: str, table: str) -> list[str]:
    """The names of a table's columns, in their order."""
    return [
        name
        for (name,) in database.query(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            schema,
            table,
        )
    ]
