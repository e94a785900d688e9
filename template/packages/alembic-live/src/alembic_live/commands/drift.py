"""`db drift`: compare the database with the schema that its revisions create.

It also finds what `alembic check` does not compare: functions, triggers, views, comments.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from alembic.util import CommandError

from alembic_live.address import Address
from alembic_live.autogenerate.from_scratch.restore import persistent_differences
from alembic_live.history.graph import describe_unknown, require_sound, unknown_revisions
from alembic_live.history.heads import newest
from alembic_live.postgres.dump import (
    UNMANAGED_KINDS,
    Difference,
    Schema,
    comparable,
    differences,
    read_schema,
)
from alembic_live.postgres.exceptions import Exceptions
from alembic_live.postgres.schemas import schema_name
from alembic_live.postgres.scratch import scratch_databases
from alembic_live.printable import as_json, one_line
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_at, tables_left_out
from alembic_live.runtime.program import replay
from alembic_live.runtime.version_table import current_revisions
from alembic_live.sql.quoting import word
from alembic_live.terminal import show, show_data, tell

DATABASE = "the database"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--ignore",
        metavar="PATTERN",
        action="append",
        default=[],
        help="Ignore objects that match the pattern, such as 'extension pg_stat_*'. "
        "Can be given several times.",
    )
    parser.add_argument("--json", action="store_true", help="Print JSON.")


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    found, revision = drift(project, ignored=arguments.ignore)
    if arguments.json:
        objects = [{"object": str(one.schema_object), "difference": one.text} for one in found]
        show_data(as_json({"ok": not found, "differences": objects}))
    else:
        for one in found:
            show(str(one))
    if found:
        tell(
            f"{len(found)} difference{'' if len(found) == 1 else 's'} from {revision}. Write a "
            "revision for the changes to keep, and undo the others by hand."
        )
        return 1
    tell(f"The database matches {revision}.")
    return 0


def drift(project: Project, *, ignored: Sequence[str] = ()) -> tuple[list[Difference], str]:
    """Compare the project's database with a scratch database that has the same revisions.

    Args:
        ignored: patterns of objects that may differ, such as `extension pg_stat_*`.

    Returns:
        The differences, and a name for the revisions that the database was compared with.

    Raises:
        CommandError: the database has no revision, or one that is not in this code.
        ConfigurationError: the file of exceptions is wrong; the text says what to correct.
    """
    script = project.script
    require_sound(script)
    address = project.migration_address
    current = current_revisions(project)
    if not current:
        raise CommandError(
            f"There is no revision in {address}, so there is nothing to compare it with. If the "
            f"database is new: uv run alembic upgrade {newest(script)}. If its tables are older than Alembic: "
            "uv run db baseline"
        )
    if unknown := unknown_revisions(script, current):
        raise CommandError(
            describe_unknown(
                unknown,
                ", so the expected schema is unknown. Use the version of the code that has the "
                f"revision. If its file was deleted: uv run db remove {word(unknown[0])}",
            )
        )
    name = one_line(f"revision {', '.join(current)}")
    found = differences_from_history(project, address, *current, name=name)
    exceptions = Exceptions.of(project, "drift")
    found = exceptions.without_allowed(found)
    for sentence in exceptions.unused():
        tell(sentence)
    return [one for one in found if not _is_ignored(one, ignored)], name


def differences_from_history(
    project: Project, database: Address, *revisions: str, name: str, versions: Sequence[Path] = ()
) -> list[Difference]:
    """The differences between a database and the schema that the history creates, in the schemas
    that the history uses. Privileges are not compared: revisions do not manage them.

    Args:
        database: the database to compare.
        revisions: the ids of the revisions to compare it with.
        name: the name of the history in the differences.
        versions: the folders of the revisions, if these are not the project's.

    Raises:
        CommandError: a revision fails; the text names it and the reason.
    """
    with scratch_databases(project) as make:
        scratch = make()
        replay(project, scratch, *revisions, versions=versions)
        table = configuration_at(project, scratch).version_table.name
        options = ("--no-privileges", *tables_left_out(project, database))
        expected = read_schema(scratch, *options, version_table=table)
        found = read_schema(database, *options, version_table=table)
        actual = _in_project_schemas(project, found, expected)
        differing = differences(comparable(actual), comparable(expected), DATABASE, name)
        return persistent_differences(differing, actual, expected, make)


def _in_project_schemas(project: Project, actual: Schema, expected: Schema) -> Schema:
    """The objects in the project's schemas. Other services may have theirs in the same database."""
    own = {schema_name(schema, project.default_schema) for schema in project.schemas}
    created = {each.name for each in expected if each.kind == "SCHEMA"}
    schemas = {each.schema for each in expected} | created | own | {"-"}
    return {
        each: text
        for each, text in actual.items()
        if each.schema in schemas
        and each.kind not in UNMANAGED_KINDS
        and (each.kind != "SCHEMA" or each.name in schemas)
    }


def _is_ignored(difference: Difference, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(str(difference.schema_object), pattern) for pattern in patterns)
