"""`db baseline`: write the first revision for an existing database."""

import secrets
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.autogenerate import render_python_code
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from alembic_live.address import Address
from alembic_live.autogenerate.from_scratch.build import (
    FromScratch,
    TargetSchema,
    write_from_scratch,
)
from alembic_live.commands.baseline.models import write_models
from alembic_live.commands.drift import differences_from_history
from alembic_live.history.files import write_text
from alembic_live.history.graph import require_sound
from alembic_live.history.head_file import record_heads
from alembic_live.history.locations import folders_of, require_read
from alembic_live.internals.alembic import option
from alembic_live.models import load_models
from alembic_live.postgres.connection import make_engine
from alembic_live.postgres.dump import UNMANAGED_KINDS, SchemaObject, read_schema
from alembic_live.postgres.scratch import scratch_databases
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_at, tables_left_out
from alembic_live.runtime.program import run_command
from alembic_live.runtime.version_table import current_revisions
from alembic_live.terminal import require_consent, tell

MESSAGE = "baseline"

GRANTS = ("ACL", "DEFAULT ACL")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--models",
        action="store_true",
        help="Write models of the database's tables instead of a revision.",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="The file for --models; defaults to tables.py in the package of the models.",
    )
    parser.add_argument(
        "--base",
        metavar="MODULE:CLASS",
        help="The class that the models of --models derive from; found by default.",
    )
    parser.add_argument("--yes", action="store_true", help="Do not ask for confirmation.")


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    if arguments.models:
        tell(write_models(project, output=arguments.output, base=arguments.base))
        if arguments.output is None:  # otherwise the project may not import them
            _require_agreement(project)
    else:
        tell("\n".join(baseline(project, yes=arguments.yes)))
    return 0


class ModelsDifferError(CommandError):
    """The models or the revisions differ from the database."""


def baseline(project: Project, *, yes: bool) -> list[str]:
    """Write a revision that creates the schema of the project's database from scratch, and stamp the
    database with it. If the project has revisions already, compare them with the database and stamp
    it with the head. Returns a report.

    Args:
        yes: do not ask for confirmation.

    Raises:
        CommandError: the models or the revisions create another schema, or Alembic would not read
            the file. Nothing is changed.
    """
    load_models(project)
    script = project.script
    require_sound(script)
    address = project.migration_address
    if current := current_revisions(project):
        raise CommandError(
            f"The {address} is already at revision {one_line(', '.join(current))}. To compare it with that "
            "revision: uv run db drift"
        )
    if heads := script.get_heads():
        return _stamp(project, address, heads, yes=yes)
    _require_matching_models(project, address)
    revision = secrets.token_hex(6)
    options = _options(project, address)
    with scratch_databases(project) as make:
        tell("Reading the schema and writing a revision that creates it …")
        table = configuration_at(project, address).version_table
        wanted = TargetSchema.of(address, *options, version_table=table, without=UNMANAGED_KINDS)
        written = write_from_scratch(
            project, wanted, project.metadatas, make, revision=revision, message=MESSAGE
        )
    left_out = _left_out(address, options)
    path = folders_of(script)[0] / written.name
    require_read(script, path)
    require_consent(
        f"This writes {project.relative(path)}, which creates the schema of {address} from scratch, and "
        f"stamps the database with revision {revision}.",
        yes=yes,
    )
    write_text(path, written.source)
    record_heads(project)
    run_command(project, command.stamp, revision)
    return list(_report(project, written, left_out, path, address))


def _stamp(project: Project, address: Address, heads: list[str], *, yes: bool) -> list[str]:
    """Stamp a database with the heads, if it has the schema that they create."""
    name = f"revision {', '.join(heads)}"
    to = "heads" if len(heads) > 1 else "head"
    if not any(
        thing.kind == "TABLE" for thing in read_schema(address, *_options(project, address))
    ):
        raise CommandError(
            f"The {address} is empty. Create the tables: uv run alembic upgrade {to}"
        )
    if different := differences_from_history(project, address, *heads, name=name):
        raise ModelsDifferError(
            f"The project has revisions already, and the {address} differs from their schema:\n"
            + "\n".join(map(str, different))
            + "\nNothing was stamped. If it has the schema of an older revision: uv run alembic stamp "
            f"<revision>, then uv run alembic upgrade {to}"
        )
    require_consent(f"The {address} matches {name}. This stamps it with {name}.", yes=yes)
    for head in heads:
        run_command(project, command.stamp, head)
    return [f"Stamped the database with {name}. No table was changed."]


def _options(project: Project, address: Address) -> list[str]:
    """The options of pg_dump. They select the schemas of the models, if each model names one, and
    exclude the tables that env.py excludes.
    """
    left_out = tables_left_out(project, address)
    schemas = project.schemas
    if None in schemas:
        return left_out
    quoted = (str(name).replace('"', '""') for name in schemas)
    return [*(f'--schema="{name}"' for name in quoted), "--extension=*", *left_out]


def _require_matching_models(project: Project, address: Address) -> None:
    if code := _changes_of_the_models(project, address):
        raise ModelsDifferError(
            f"The models differ from the {address}. These changes would align it with them:\n\n{code}\n"
            "Correct the models, or generate them: uv run db baseline --models"
        )


def _require_agreement(project: Project) -> None:
    """Load the models that were written, and compare them with the database.

    Raises:
        CommandError: they cannot be loaded, or differ; the text says how.
    """
    load_models(project)
    if code := _changes_of_the_models(project, project.migration_address):
        raise ModelsDifferError(
            "The models differ from the database. These changes would align it with them:\n\n"
            f"{code}\nCorrect the models. A type that no table uses has no model: drop it."
        )


def _changes_of_the_models(project: Project, address: Address) -> str:
    """The code of a revision that aligns the database with the models; empty if they match. The
    comparison uses the options of env.py.
    """
    code = ""

    def render(
        migration: MigrationContext, _revision: object, scripts: list[ops.MigrationScript]
    ) -> None:
        nonlocal code
        [script] = scripts
        if script.upgrade_ops and not script.upgrade_ops.is_empty():
            # With the context of an env.py, Alembic would require target_metadata again.
            code = render_python_code(
                script.upgrade_ops,
                render_item=option(migration, "render_item"),
                migration_context=MigrationContext.configure(migration.connection),
            )
        scripts.clear()  # so that no file is written

    with tempfile.TemporaryDirectory() as folder:
        run_command(
            project,
            command.revision,
            autogenerate=True,
            connection=make_engine(address),
            versions=[Path(folder)],
            directives=render,
        )
    return code


def _left_out(address: Address, options: list[str]) -> list[SchemaObject]:
    """The objects of the database that the revision does not create."""
    return [
        thing
        for thing in read_schema(address, *options)
        if thing.kind in (*UNMANAGED_KINDS, *GRANTS)
    ]


def _report(
    project: Project,
    written: FromScratch,
    left_out: list[SchemaObject],
    path: Path,
    address: Address,
) -> Iterator[str]:
    tables, objects = len(written.with_operations), len(written.with_sql)
    yield (
        f"{project.relative(path)} creates {tables} {'table' if tables == 1 else 'tables'} "
        f"with Alembic's operations, and {objects} {'object' if objects == 1 else 'objects'} with SQL. It creates a database with the same dump as this one."
    )
    by_kind: dict[str, list[str]] = {}
    for thing in written.with_sql:
        is_option = thing.kind == "TABLE" and thing.name in written.with_operations
        kind = "options of table" if is_option else thing.kind.lower()
        by_kind.setdefault(kind, []).append(thing.name)
    for kind, found in by_kind.items():
        yield f"    as SQL: {len(found)} {kind}: {_shortened(found)}"
    if left_out:
        yield (
            "Not in the revision, because it belongs to the server or to roles. Create it by hand in other "
            "databases (for roles: uv run db roles):"
        )
        yield from (f"    {thing}" for thing in left_out)
    if written.not_dropped:
        yield f"Its downgrade does not drop: {', '.join(written.not_dropped)}."
    yield f"Stamped the {address} with it. No table was changed. Undo: delete the file, and"
    yield f"    DROP TABLE {configuration_at(project, address).version_table}"
    yield "Next: commit, then uv run alembic check. Other databases with this schema: uv run db baseline"


def _shortened(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
