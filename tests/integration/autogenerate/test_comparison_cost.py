"""What a comparison costs does not grow with the tables: the client waits for the server as often."""

from dataclasses import replace

import pytest
from proxy import proxy
from sample import NewProject

HEAD = """
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
"""

# Each of these once cost a query for each table.
TABLE = """

class Table{number}(Base):
    __tablename__ = "table_{number}"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('a', 'b')", name="kind_known"),
        sa.Index("ix_lower_{number}", sa.text("lower(kind)")),
        {{"schema": {schema!r}}},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(sa.Identity())
    kind: Mapped[str] = mapped_column(sa.String(5), server_default="a")
    data = mapped_column(sa.JSON, server_default="{{}}")
    at = mapped_column(sa.DateTime, server_default=sa.text("timezone('utc', now())"))
"""

SCHEMAS = [None, "sales", "stock"]


@pytest.mark.parametrize(
    ("schemas", "most"), [(SCHEMAS[:1], 80), (SCHEMAS, 115)], ids=["one schema", "three"]
)
def test_a_comparison_asks_the_server_as_often_for_many_tables(
    new_project: NewProject, schemas: list[str | None], most: int
) -> None:
    project = new_project(example=False)
    counts = []
    for number in (6, 24):
        source = HEAD + "".join(
            TABLE.format(number=each, schema=schemas[each % len(schemas)]) for each in range(number)
        )
        project.write_model("tables", source)
        project.alembic("revision", "--autogenerate", "-m", f"{number} tables")
        project.alembic("upgrade", "head")
        host, port = project.environment["DB_HOST"], int(project.environment["DB_PORT"])
        with proxy(host, port) as relay:
            replace(
                project, environment=project.environment | {"DB_PORT": str(relay.port)}
            ).alembic("check")
            counts.append(relay.round_trips)
    assert counts[0] == counts[1] <= most
