"""`db schema`: write the schema that the revisions create to schema.sql, for reviews."""

from argparse import ArgumentParser, Namespace

from alembic.script import ScriptDirectory

from alembic_live.history.files import write_text
from alembic_live.history.graph import require_sound
from alembic_live.postgres.schema_file import SCHEMA_FILE, file_holds, schema_file, schema_in
from alembic_live.postgres.scratch import scratch_databases
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_at
from alembic_live.runtime.program import replay
from alembic_live.terminal import as_data, tell


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "revision", nargs="?", help="print the schema of this revision instead of writing the file"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="Write nothing. Exit with code 1 if the file is not up to date.",
    )


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    script = project.script
    require_sound(script)
    if arguments.revision:
        print(as_data(schema_sql(project, script, arguments.revision).rstrip()))
    elif not arguments.check:
        tell(write_schema_file(project, script))
    elif not is_up_to_date(project, script):
        tell(f"{SCHEMA_FILE} is not up to date. Write it: uv run db schema")
        return 1
    return 0


def schema_sql(project: Project, script: ScriptDirectory, revision: str) -> str:
    """The SQL of the schema that the history creates up to a revision.

    Raises:
        CommandError: there is no such revision, or it cannot be replayed; the text says why.
    """

    revisions = [found.revision for found in script.get_revisions(revision) if found]
    with scratch_databases(project) as make:
        scratch = make()
        table = configuration_at(project, scratch).version_table
        replay(project, scratch, *revisions)
        return schema_in(scratch, revisions, table.name)


def write_schema_file(project: Project, script: ScriptDirectory) -> str:
    """Write the schema of the newest revision. Returns a report."""
    sql = schema_sql(project, script, "heads")
    if file_holds(project, sql):
        return f"{SCHEMA_FILE} is up to date."
    write_text(schema_file(project), sql)
    return f"Wrote {SCHEMA_FILE}."


def is_up_to_date(project: Project, script: ScriptDirectory) -> bool:
    """Whether the file holds the schema of the newest revision."""
    exists = schema_file(project).exists()
    return exists and file_holds(project, schema_sql(project, script, "heads"))
