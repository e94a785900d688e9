"""SQL as text."""

from alembic import op
from sqlalchemy import DDL


def run_sql(sql: str) -> None:
    """Run one statement verbatim: colons and percent signs have no special meaning. The indentation
    of the first line is removed from every line.

    Args:
        sql: the statement, without parameters.
    """
    statement = _unindented(sql).replace("%", "%%")
    op.execute(DDL(statement))  # type: ignore[no-untyped-call]


def _unindented(sql: str) -> str:
    lines = sql.strip("\n").split("\n")
    margin = len(lines[0]) - len(lines[0].lstrip(" "))
    return "\n".join(line[margin:] if line[:margin].isspace() else line for line in lines).rstrip()
