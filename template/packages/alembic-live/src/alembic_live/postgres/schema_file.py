"""schema.sql: its content, and whether it is up to date."""

from pathlib import Path

from alembic_live.address import Address
from alembic_live.postgres.dump import read_schema
from alembic_live.project import Project
from alembic_live.sql.redaction import redacted

SCHEMA_FILE = "schema.sql"

HEADER = "-- The schema at revision {}. Written by: uv run db schema"

# Their credentials are left out: the file is committed, and a review does not need them.
WITH_CREDENTIALS = ("FOREIGN DATA WRAPPER", "SERVER", "SUBSCRIPTION", "USER MAPPING")

# The body of a function can use objects that are created later.
SKIP_BODY_CHECKS = "SET check_function_bodies = false;"


def schema_file(project: Project) -> Path:
    """The path of the file."""
    return project.folder / SCHEMA_FILE


def schema_in(database: Address, revisions: list[str], version_table: str) -> str:
    """The SQL of a database's schema.

    Args:
        database: the database.
        revisions: the revisions of the database, for the header.
        version_table: the name of the version table.
    """
    schema = read_schema(database, "--no-privileges", version_table=version_table)
    has_functions = any(obj.kind in ("FUNCTION", "PROCEDURE") for obj in schema)
    parts = [
        HEADER.format(", ".join(sorted(revisions)) or "none"),
        *([SKIP_BODY_CHECKS] if has_functions else []),
        *(redacted(sql) if obj.kind in WITH_CREDENTIALS else sql for obj, sql in schema.items()),
    ]
    return "\n\n".join(parts) + "\n"


def file_holds(project: Project, sql: str) -> bool:
    """Whether the file holds this SQL. Line endings are ignored: git may convert them."""
    path = schema_file(project)
    return path.exists() and path.read_text(encoding="utf-8").splitlines() == sql.splitlines()


def problem_with_schema_file(
    project: Project, migrated: Address, heads: list[str], version_table: str
) -> str | None:
    """A sentence if the file exists and does not hold the schema of the migrated database."""
    if not schema_file(project).exists():
        return None
    if file_holds(project, schema_in(migrated, heads, version_table)):
        return None
    return f"{SCHEMA_FILE} is not up to date. Write it: uv run db schema"
