"""A revision that creates a whole schema from scratch. Alembic's operations create what they can
create exactly, and the SQL of pg_dump creates the rest. The revision is verified in a scratch
database.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

from alembic import command
from alembic.operations import ops
from alembic.util import CommandError
from sqlalchemy import MetaData

import alembic_live.operations
from alembic_live.address import Address
from alembic_live.autogenerate.from_scratch.layout import (
    Layout,
    arrange,
    everything_as_sql,
)
from alembic_live.autogenerate.from_scratch.restore import (
    SKIP_BODY_CHECKS,
    WITH_BODIES,
    persistent_differences,
)
from alembic_live.autogenerate.from_scratch.statements import Statements
from alembic_live.autogenerate.from_scratch.tables import TableName, changed_table, table_of
from alembic_live.autogenerate.from_scratch.target_schema import TargetSchema
from alembic_live.autogenerate.from_scratch.verification import verify_operations
from alembic_live.autogenerate.rendering import Comment
from alembic_live.formatting import formatted
from alembic_live.history.locations import folders_of
from alembic_live.postgres.connection import make_engine
from alembic_live.postgres.dump import Difference, SchemaObject, comparable, differences
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_at
from alembic_live.runtime.program import run_command

# For `db lint`.
NOT_RUN_ON_ROWS = "squawk-ignore-file: a database with rows has this schema, and does not run it"

__all__ = ["FromScratch", "TargetSchema", "run_source", "write_from_scratch"]


MOST_TRIALS = 3  # each leaves more tables to SQL


class DiffersError(CommandError):
    """The revision creates a different schema."""

    def __init__(self, found: list[Difference]) -> None:
        super().__init__(
            "The from-scratch revision creates a different schema, so it was discarded:\n"
            + "\n".join(map(str, found))
        )
        self.differences = found


@dataclass(frozen=True, slots=True)
class FromScratch:
    """A from-scratch revision."""

    name: str  # of its file
    source: str  # the text of its file
    with_operations: list[str]  # the tables that operations create
    with_sql: list[SchemaObject]  # the objects that SQL creates
    not_dropped: list[str]  # what its downgrade does not drop


def write_from_scratch(
    project: Project,
    wanted: TargetSchema,
    metadatas: Sequence[MetaData],
    create_database: Callable[[], Address],
    *,
    revision: str,
    message: str,
) -> FromScratch:
    """Write and verify the revision that creates a schema.

    Args:
        project: the project.
        wanted: the schema.
        metadatas: the tables that Alembic's operations may create.
        create_database: creates an empty database.
        revision: the id of the revision.
        message: the message of the revision.

    Raises:
        CommandError: the revision creates a different schema; the text lists the differences.
    """
    as_sql: set[TableName] = set()
    for _ in range(MOST_TRIALS):
        verified = verify_operations(wanted, metadatas, create_database, without=as_sql)
        layout = arrange(wanted.schema, verified.tables_as_sql, verified.additions)
        operations = verified.operations
        try:
            return _verified(
                project, wanted, layout, operations, create_database, revision, message
            )
        except DiffersError as error:
            # The text of a type can mean another one than the type itself: with psycopg, a CHAR
            # in a TypeDecorator is VARCHAR.
            found = {
                table
                for each in error.differences
                if (table := table_of(each.schema_object, str(each), wanted.schema))
            }
            if not found - verified.tables_as_sql:
                break
            as_sql = verified.tables_as_sql | found
        except CommandError:
            break
    # SQL in pg_dump's order always works, but is harder to read.
    layout = everything_as_sql(wanted.schema)
    return _verified(project, wanted, layout, [], create_database, revision, message)


def run_source(project: Project, source: str, create_database: Callable[[], Address]) -> Address:
    """Run a revision in an empty database.

    Args:
        project: the project.
        source: the text of the revision's file.
        create_database: creates an empty database.

    Returns:
        The address of the database.

    Raises:
        CommandError: the revision fails.
    """
    database = create_database()
    engine = make_engine(database)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "revision.py").write_text(source, encoding="utf-8")
        run_command(project, command.upgrade, "head", connection=engine, versions=[Path(folder)])
    return database


def _verified(
    project: Project,
    wanted: TargetSchema,
    layout: Layout,
    operations: list[ops.MigrateOperation],
    create_database: Callable[[], Address],
    revision: str,
    message: str,
) -> FromScratch:
    """The revision in this layout, after a check that it creates the schema.

    Raises:
        CommandError: the revision creates a different schema, or fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        versions = Path(folder)
        name, source = _write(
            project, wanted, layout, operations, create_database(), versions, revision, message
        )
        database = create_database()
        run = partial(
            run_command,
            project,
            connection=make_engine(database),
            versions=[versions],
        )
        run(command.upgrade, "head")
        table = configuration_at(project, database).version_table
        created = TargetSchema.of(database, version_table=table).schema
        found = differences(
            comparable(wanted.schema, in_order=True),
            comparable(created, in_order=True),
            "wanted",
            "created",
        )
        found = persistent_differences(found, wanted.schema, created, create_database)
        if found:
            raise DiffersError(found)
        try:
            run(command.downgrade, "base")
            left = comparable(TargetSchema.of(database, version_table=table).schema)
            not_dropped = [str(one.schema_object) for one in differences(left, {}, "left", "")]
        except CommandError as error:
            not_dropped = [f"everything, because it fails ({error})"]
    return FromScratch(
        name,
        source,
        sorted({name for item in operations if (name := changed_table(item)[1])}),
        layout.objects,
        not_dropped,
    )


@contextmanager
def _readable_template_error(project: Project) -> Iterator[None]:
    """Explain why Alembic cannot load the first revision that it has written."""
    try:
        yield
    except KeyError as error:
        if error.args != ("None",):
            raise
        template = project.relative(Path(project.script.dir) / "script.py.mako")
        raise CommandError(
            f"{template} writes down_revision as a string, so the first revision would follow a "
            'revision "None". Replace "${down_revision}" there, with its quotation marks, by '
            "${repr(down_revision)}. Do the same for branch_labels and depends_on."
        ) from error


def _write(
    project: Project,
    wanted: TargetSchema,
    layout: Layout,
    table_operations: list[ops.MigrateOperation],
    database: Address,
    versions: Path,
    revision: str,
    message: str,
) -> tuple[str, str]:
    """Let autogenerate write the file. It compares with an empty database. Returns the name of the file,
    which has folders if `file_template` has, and its text.
    """
    statements = Statements()
    upgrade = [
        Comment(NOT_RUN_ON_ROWS),
        *statements.create(layout.before),
        *statements.create(layout.tables),
        *table_operations,
        *statements.create(layout.after),
    ]
    if any(obj.kind in WITH_BODIES for obj in layout.objects):
        upgrade.insert(1, statements.run(SKIP_BODY_CHECKS))
    downgrade = (
        [statements.run(drop) for drop in wanted.drops]
        if layout.objects
        else ops.UpgradeOps(table_operations).reverse().ops
    )

    def fill(_context: object, _revision: object, scripts: list[ops.MigrationScript]) -> None:
        [script] = scripts
        assert script.upgrade_ops is not None
        assert script.downgrade_ops is not None
        script.upgrade_ops.ops, script.downgrade_ops.ops = upgrade, list(downgrade)
        if layout.objects:
            script.imports.add(f"from {alembic_live.operations.__name__} import run_sql")

    with (
        redirect_stdout(StringIO()),  # Alembic prints the path of the temporary file
        _readable_template_error(project),
    ):
        run_command(
            project,
            command.revision,
            message,
            autogenerate=True,
            rev_id=revision,
            connection=make_engine(database),
            versions=[versions],
            directives=fill,
        )
    [path] = versions.rglob("*.py")
    name = path.relative_to(versions).as_posix()
    folder = folders_of(project.script)[0]
    source = formatted(statements.fill_in(path.read_text(encoding="utf-8")), folder / name)
    path.unlink()
    (versions / "revision.py").write_text(source, encoding="utf-8")
    return name, source
