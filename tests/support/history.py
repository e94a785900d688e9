"""Histories of revisions, written straight into a project's folder."""

from project import Project

HEADER = '''"""Step {number}"""

import os

from alembic import op
from alembic_live.operations import create_index_concurrently, drop_index_concurrently

revision = "{revision}"
down_revision = {down_revision!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
'''

# Each kind of work that a revision may do: tables, rows that would show if it was done twice,
# and what Postgres refuses inside of a transaction.
CREATE = """\
    op.execute("CREATE TABLE items (id int PRIMARY KEY, total int NOT NULL DEFAULT 0)")
    op.execute("CREATE TABLE marks (step int)")
    op.execute("INSERT INTO items (id) SELECT generate_series(1, 1000)")
"""
COUNT = """\
    op.execute("UPDATE items SET total = total + 1")
    op.execute("INSERT INTO marks VALUES ({number})")
"""
COLUMN = """\
    op.execute("ALTER TABLE items ADD COLUMN c{number} int")
    op.execute("SELECT pg_sleep(" + os.environ.get("PAUSE", "0") + ")")
    op.execute("UPDATE items SET c{number} = id")
    op.execute("INSERT INTO marks VALUES ({number})")
"""
INDEX = """\
    create_index_concurrently("ix_items_total", "items", ["total"])
"""


def body(number: int) -> str:
    """What revision `number` does, from 1 on: of four, one is an index, and it comes once."""
    if number == 1:
        return CREATE
    if number == 3:
        return INDEX
    return COLUMN if number % 2 else COUNT


def write_history(project: Project, length: int) -> str:
    """Write `length` revisions in place of the project's own and return the last one's id.

    The variable PAUSE lets a process that migrates sleep for so many seconds in some of them.
    """
    for path in project.versions:
        path.unlink()
    for number in range(1, length + 1):
        text = HEADER.format(
            number=number,
            package=project.package,
            revision=f"step{number:03}",
            down_revision=f"step{number - 1:03}" if number > 1 else None,
        ) + body(number).format(number=number)
        path = project.path / "migrations" / "versions" / f"{number:03}.py"
        path.write_text(text + "\n\ndef downgrade() -> None:\n    pass\n")
    return f"step{length:03}"


def expected(length: int) -> tuple[list[int], int, list[int]]:
    """After all of them once: the marks, each item's total, and the columns that were added."""
    rest = [number for number in range(2, length + 1) if number != 3]
    counted = [number for number in rest if number % 2 == 0]
    return rest, len(counted), [number for number in rest if number % 2]
