"""`db baseline`: Alembic for a database that has lived without it."""

import secrets
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import SAWarning

from ...config import settings
from ...database.address import Address
from ...database.metadata import metadata
from ...paths import relative
from ...printable import one_line
from ..autogenerate import comparison
from ..command import run_command
from ..connection import make_engine, with_connection
from ..from_scratch import FromScratch, Wanted, write_from_scratch
from ..head_file import record_heads
from ..history import require_sound
from ..locations import require_usual_files
from ..models import load_models
from ..revision_files import VERSIONS, write_text
from ..schema_dump import NOT_OF_A_HISTORY, Thing, read_schema
from ..scratch import scratch_databases
from ..terminal import require_consent, tell
from ..version_table import current_revisions
from .drift import differences_to_history

MESSAGE = "baseline"

INSTEAD = (
    "Use Alembic: uv run alembic revision --autogenerate against an empty database, then uv run "
    "alembic stamp head against this one."
)

GRANTS = ("ACL", "DEFAULT ACL")


class ModelsDifferError(CommandError):
    """The models are not what the database is."""


def baseline(config: Config, *, yes: bool) -> list[str]:
    """Write the revision that makes the schema of the database of the settings from scratch, and
    mark it as applied there. Where the project has revisions already, they are compared with the
    database, and the head is marked. Returns what was done, for people.

    Args:
        config: Alembic's.
        yes: do not ask.

    Raises:
        CommandError: the models or the revisions make something else, or Alembic keeps the history
            elsewhere; nothing is changed.
    """
    require_usual_files(config, instead=INSTEAD)
    script = ScriptDirectory.from_config(config)
    require_sound(script)
    address = settings.migration_address
    if current := current_revisions(INSTEAD):
        raise CommandError(
            f"The {address} is at revision {one_line(', '.join(current))} already. Whether it is what that says: "
            "uv run db drift"
        )
    if heads := script.get_heads():
        return _mark(address, heads, yes=yes)
    _require_that_models_agree(address)
    revision = secrets.token_hex(6)
    options = _options()
    with scratch_databases() as make:
        tell("Reading the schema, and writing a revision that makes it …")
        wanted = Wanted.of(address, *options, without=NOT_OF_A_HISTORY)
        written = write_from_scratch(wanted, metadata, make, revision=revision, message=MESSAGE)
    left_out = _left_out(address, options)
    path = VERSIONS / written.name
    require_consent(
        f"Revision {revision} makes the schema of {address} from scratch. It becomes {relative(path)}, "
        "and is marked as applied.",
        yes=yes,
    )
    write_text(path, written.source)
    record_heads()
    run_command(command.stamp, revision)
    return list(_about(written, left_out, path, address))


def _mark(address: Address, heads: list[str], *, yes: bool) -> list[str]:
    """Mark a history as applied to a database that has what it makes."""
    name = f"revision {', '.join(heads)}"
    if not any(thing.kind == "TABLE" for thing in read_schema(address, *_options())):
        raise CommandError(
            f"The {address} is empty. Make what the revisions say: uv run alembic upgrade head"
        )
    if different := differences_to_history(address, *heads, name=name):
        raise ModelsDifferError(
            f"The project has revisions already, and the {address} is not what they make:\n"
            + "\n".join(map(str, different))
            + "\nNothing was marked. If it is what an older one makes: uv run alembic stamp <revision>, then "
            "uv run alembic upgrade head"
        )
    require_consent(f"The {address} is what {name} makes. It is marked as applied.", yes=yes)
    for head in heads:
        run_command(command.stamp, head)
    return [f"{name.capitalize()} is marked as applied; no table was touched."]


def _options() -> list[str]:
    """Of pg_dump: everything, or where the project has a schema of its own, that one and those of
    single models.
    """
    if metadata.schema is None:
        return []
    schemas = {metadata.schema} | {table.schema for table in metadata.tables.values()}
    quoted = (str(name).replace('"', '""') for name in sorted(map(str, schemas)))
    return [*(f'--schema="{name}"' for name in quoted), "--extension=*"]


def _require_that_models_agree(address: Address) -> None:
    load_models()
    engine = make_engine(address, settings.migration_driver)
    if code := with_connection(engine, _what_the_models_would_change):
        raise ModelsDifferError(
            f"The models are not what the {address} is. To make it what they say would take:\n\n{code}\n"
            "Correct the models, or have them written: uv run db baseline --models"
        )


def _what_the_models_would_change(connection: Connection) -> str:
    """In the words of a revision; nothing where they agree."""
    migration = MigrationContext.configure(
        connection,
        opts=comparison(metadata, connection)
        | {"target_metadata": metadata, "version_table_schema": metadata.schema},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # of types that only the models know
        upgrade: Any = produce_migrations(migration, metadata).upgrade_ops
    if upgrade.is_empty():
        return ""
    return render_python_code(upgrade, migration_context=migration)


def _left_out(address: Address, options: list[str]) -> list[Thing]:
    """What is in the database and not in the revision."""
    return [
        thing
        for thing in read_schema(address, *options)
        if thing.kind in (*NOT_OF_A_HISTORY, *GRANTS)
    ]


def _about(
    written: FromScratch, left_out: list[Thing], path: Path, address: Address
) -> Iterator[str]:
    tables = len(written.with_operations)
    yield (
        f"{relative(path)} makes {tables} tables with Alembic's operations, and {len(written.with_sql)} "
        "objects with SQL. An empty database and the live one have the same dump."
    )
    by_kind: dict[str, list[str]] = {}
    for thing in written.with_sql:
        is_beside = thing.kind == "TABLE" and thing.name in written.with_operations
        kind = "options of table" if is_beside else thing.kind.lower()
        by_kind.setdefault(kind, []).append(thing.name)
    for kind, found in by_kind.items():
        yield f"    as SQL: {len(found)} {kind}: {_shortened(found)}"
    if left_out:
        yield (
            "Not in the revision, because it is the server's or the roles' business, and to be made by hand "
            "elsewhere (for roles: uv run db roles):"
        )
        yield from (f"    {thing}" for thing in left_out)
    if written.leftovers:
        yield f"Its downgrade leaves behind: {', '.join(written.leftovers)}."
    yield f"The {address} is marked as being at it; no table was touched. Undo: remove the file, and "
    yield "    DROP TABLE alembic_version"
    yield "Next: commit, then uv run alembic check. Other databases with this schema: uv run db baseline"


def _shortened(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
