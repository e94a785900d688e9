"""A revision that makes a whole schema from scratch: with Alembic's operations what they make as it
is, with the SQL of pg_dump what they do not. It is tried before anybody relies on it.
"""

import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

from alembic import command
from alembic.operations import ops
from alembic.util import CommandError
from sqlalchemy import MetaData

from ...config import settings
from ...database.address import Address
from .. import operations
from ..command import run_command
from ..connection import make_engine
from ..formatting import formatted
from ..revision_files import VERSIONS
from ..schema_dump import Thing, comparable, differences
from .layout import Layout, everything_as_sql, laid_out
from .restore import WITHOUT_BODIES, lasting
from .statements import WITH_BODIES, Statements
from .tables import leave_types_alone, named
from .trials import made_with_operations
from .wanted import Wanted

__all__ = ["FromScratch", "Wanted", "try_source", "write_from_scratch"]


@dataclass(frozen=True, slots=True)
class FromScratch:
    """The revision, and what it makes in which way."""

    name: str  # of its file
    source: str  # its text
    with_operations: list[str]  # names of tables
    with_sql: list[Thing]
    leftovers: list[str]  # what its downgrade leaves behind


def write_from_scratch(
    wanted: Wanted,
    metadata: MetaData,
    make: Callable[[], Address],
    *,
    revision: str,
    message: str,
) -> FromScratch:
    """The revision that makes a schema.

    Args:
        wanted: the schema.
        metadata: the tables of it that Alembic's operations may make.
        make: makes an empty database.
        revision: its id.
        message: its message.

    Raises:
        CommandError: what it makes differs; the text says in what.
    """
    made = made_with_operations(wanted.schema, metadata, make)
    layout = laid_out(wanted.schema, made.left, made.additions)
    try:
        return _tried(wanted, layout, made.operations, make, revision, message)
    except CommandError:
        # In pg_dump's own order everything can be made, if with less to read.
        layout = everything_as_sql(wanted.schema)
        return _tried(wanted, layout, [], make, revision, message)


def try_source(source: str, make: Callable[[], Address]) -> Address:
    """Run a revision in an empty database, and return that.

    Args:
        source: the text of its file.
        make: makes an empty database.

    Raises:
        CommandError: it fails.
    """
    database = make()
    engine = make_engine(database, settings.migration_driver)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "revision.py").write_text(source, encoding="utf-8")
        run_command(command.upgrade, "head", connection=engine, versions=Path(folder))
    return database


def _tried(
    wanted: Wanted,
    layout: Layout,
    operations: list[ops.MigrateOperation],
    make: Callable[[], Address],
    revision: str,
    message: str,
) -> FromScratch:
    """The revision in this layout, when it has been found to make what it should.

    Raises:
        CommandError: it does not, or it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        versions = Path(folder)
        path = _write(wanted, layout, operations, make(), versions, revision, message)
        name, source = path.name, path.read_text(encoding="utf-8")
        database = make()
        run = partial(
            run_command,
            connection=make_engine(database, settings.migration_driver),
            versions=versions,
        )
        run(command.upgrade, "head")
        made = Wanted.of(database).schema
        wrong = differences(comparable(wanted.schema), comparable(made), "wanted", "made")
        wrong = lasting(wrong, wanted.schema, made, make)
        if wrong:
            raise CommandError(
                "The revision that was to make everything from scratch makes something else, so it "
                "was not kept:\n" + "\n".join(map(str, wrong))
            )
        try:
            run(command.downgrade, "base")
            left = comparable(Wanted.of(database).schema)
            leftovers = [str(one.thing) for one in differences(left, {}, "left", "")]
        except CommandError as error:
            leftovers = [f"everything, because it fails ({error})"]
    return FromScratch(
        name,
        source,
        sorted({name for item in operations if (name := named(item)[1])}),
        layout.things,
        leftovers,
    )


def _write(
    wanted: Wanted,
    layout: Layout,
    made: list[ops.MigrateOperation],
    database: Address,
    versions: Path,
    revision: str,
    message: str,
) -> Path:
    """Let Alembic write the file, with an empty database to compare with."""
    statements = Statements()
    upgrade = [
        *statements.making(layout.before),
        *statements.making(layout.tables),
        *made,
        *statements.making(layout.after),
    ]
    if any(thing.kind in WITH_BODIES for thing in layout.things):
        upgrade.insert(0, statements.running(WITHOUT_BODIES))
    downgrade = (
        [statements.running(drop) for drop in wanted.drops]
        if layout.things
        else ops.UpgradeOps(made).reverse().ops
    )

    def fill(_context: object, _revision: object, scripts: list[ops.MigrationScript]) -> None:
        [script] = scripts
        assert script.upgrade_ops is not None
        assert script.downgrade_ops is not None
        leave_types_alone(made)
        script.upgrade_ops.ops, script.downgrade_ops.ops = upgrade, list(downgrade)
        if layout.things:
            script.imports.add(f"from {operations.__name__} import run_sql")

    with redirect_stdout(StringIO()):  # where Alembic says that it writes a file
        run_command(
            command.revision,
            message,
            autogenerate=True,
            rev_id=revision,
            connection=make_engine(database, settings.migration_driver),
            versions=versions,
            directives=fill,
        )
    [path] = versions.glob("*.py")
    source = formatted(statements.filled_in(path.read_text(encoding="utf-8")), VERSIONS / path.name)
    path.write_text(source, encoding="utf-8")
    return path
