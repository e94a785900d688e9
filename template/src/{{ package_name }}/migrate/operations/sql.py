"""SQL as it is."""

from alembic import op
from sqlalchemy import DDL


def run_sql(sql: str) -> None:
    """Run one statement as it is written: neither a colon nor a percent sign means more than in
    SQL. As far as its first line is indented, all of its lines are taken to be.

    Args:
        sql: without parameters.
    """
    statement = _unindented(sql).replace("%", "%%")
    op.execute(DDL(statement))  # type: ignore[no-untyped-call]


def _unindented(sql: str) -> str:
    lines = sql.strip("\n").split("\n")
    margin = len(lines[0]) - len(lines[0].lstrip(" "))
    return "\n".join(line[margin:] if line[:margin].isspace() else line for line in lines).rstrip()
