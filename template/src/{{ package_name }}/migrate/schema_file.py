"""schema.sql: the schema that the migrations make, for people who review what a change does to it."""

from alembic.script import ScriptDirectory

from ..database.address import Address
from ..paths import PROJECT_ROOT
from .connection import make_engine, with_connection
from .locations import require_usual_version_table
from .redaction import redacted
from .revision_files import write_text
from .schema_dump import read_schema
from .scratch import replay, scratch_databases

SCHEMA_FILE = PROJECT_ROOT / "schema.sql"

INSTEAD = "Use pg_dump --schema-only, with --exclude-table for the version table."

HEADER = "-- The schema at revision {}. Written by: uv run db schema"

# The file is committed, and these need no credentials to be reviewed.
HOLD_CREDENTIALS = ("FOREIGN DATA WRAPPER", "SERVER", "SUBSCRIPTION", "USER MAPPING")

# A body may use what is made after it.
WITHOUT_BODIES = "SET check_function_bodies = false;"


def schema_sql(script: ScriptDirectory, revision: str) -> str:
    """The SQL of a revision's schema.

    Raises:
        CommandError: there is no such revision, or it cannot be replayed, or Alembic has another
            version table, which would be a part of it; the text says why.
    """
    from ..config import settings

    revisions = [found.revision for found in script.get_revisions(revision) if found]
    with scratch_databases() as make:
        scratch = make()
        with_connection(
            make_engine(scratch, settings.migration_driver),
            lambda connection: require_usual_version_table(connection, instead=INSTEAD),
        )
        replay(scratch, *revisions)
        return _as_sql(scratch, revisions)


def write_schema_file(script: ScriptDirectory) -> str:
    """Write that of the newest revision. Returns what was done, for people."""
    sql = schema_sql(script, "heads")
    if _says(sql):
        return f"{SCHEMA_FILE.name} is as it was."
    write_text(SCHEMA_FILE, sql)
    return f"{SCHEMA_FILE.name} is written."


def is_current(script: ScriptDirectory) -> bool:
    """Whether it says what the migrations make."""
    return SCHEMA_FILE.exists() and _says(schema_sql(script, "heads"))


def what_is_wrong_with_the_schema_file(migrated: Address, heads: list[str]) -> str | None:
    """A sentence, where the file is there and does not say what a migrated database says."""
    if not SCHEMA_FILE.exists() or _says(_as_sql(migrated, heads)):
        return None
    return f"{SCHEMA_FILE.name} is not what the migrations make. Write it anew: uv run db schema"


def _says(sql: str) -> bool:
    """Whether the file does, but for the ends of its lines, which git may change."""
    if not SCHEMA_FILE.exists():
        return False
    return SCHEMA_FILE.read_text(encoding="utf-8").splitlines() == sql.splitlines()


def _as_sql(database: Address, revisions: list[str]) -> str:
    schema = read_schema(database, "--no-privileges")
    has_functions = any(thing.kind in ("FUNCTION", "PROCEDURE") for thing in schema)
    parts = [
        HEADER.format(", ".join(sorted(revisions)) or "none"),
        *([WITHOUT_BODIES] if has_functions else []),
        *(
            redacted(sql) if thing.kind in HOLD_CREDENTIALS else sql
            for thing, sql in schema.items()
        ),
    ]
    return "\n\n".join(parts) + "\n"
