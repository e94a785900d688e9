"""`db drift`: whether the database is what its revision says, down to what Alembic does not compare."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from ...config import settings
from ...database.address import Address
from ...database.schema import SCHEMA
from ...printable import one_line
from ..from_scratch.restore import lasting
from ..history import require_sound, unknown_revisions
from ..quoting import word
from ..schema_dump import (
    NOT_OF_A_HISTORY,
    Difference,
    Schema,
    comparable,
    differences,
    read_schema,
)
from ..scratch import replay, scratch_databases
from ..version_table import current_revisions

DATABASE = "the database"


def drift(config: Config, *, ignored: Sequence[str] = ()) -> tuple[list[Difference], str]:
    """Compare the database of the settings with one that its history makes. Returns the
    differences, and what was compared with.

    Args:
        config: Alembic's.
        ignored: patterns of objects that may differ, such as `extension pg_stat_*`.

    Raises:
        CommandError: there is nothing to compare with; the text says why.
    """
    script = ScriptDirectory.from_config(config)
    require_sound(script)
    address = settings.migration_address
    current = current_revisions()
    if not current:
        raise CommandError(
            f"There is no revision in {address}, so there is nothing to compare it with. If it is new: "
            "uv run alembic upgrade head. If it has tables from before Alembic: uv run db baseline"
        )
    if unknown := unknown_revisions(script, current):
        raise CommandError(
            f"The database is at revision {one_line(', '.join(unknown))}, which is not in this code, so it cannot "
            "be told what it should be. Take the version of the code that has it; or, if its file was "
            f"removed: uv run db remove {word(unknown[0])}"
        )
    name = one_line(f"revision {', '.join(current)}")
    found = differences_to_history(address, *current, name=name)
    return [one for one in found if not _is_ignored(one, ignored)], name


def differences_to_history(
    database: Address, *revisions: str, name: str, versions: Path | None = None
) -> list[Difference]:
    """What differs between a database and what the history makes up to revisions, in the schemas
    that the history knows of. Who may do what is not compared: it is no part of a history.

    Args:
        database: the one that is compared.
        revisions: their ids.
        name: what the history is called in the differences.
        versions: the folder that the revisions are in, if it is not the project's.

    Raises:
        CommandError: a revision fails; the text says which one and why.
    """
    with scratch_databases() as make:
        scratch = make()
        replay(scratch, *revisions, versions=versions)
        should = read_schema(scratch, "--no-privileges")
        is_so = _of_the_project(read_schema(database, "--no-privileges"), should)
        found = differences(comparable(is_so), comparable(should), DATABASE, name)
        return lasting(found, is_so, should, make)


def _of_the_project(schema: Schema, should: Schema) -> Schema:
    """Without the schemas of others, who may have theirs in the same database."""
    ours = {thing.schema for thing in should} | {SCHEMA or "public", "-"}
    return {
        thing: text
        for thing, text in schema.items()
        if thing.schema in ours
        and thing.kind not in NOT_OF_A_HISTORY
        and (thing.kind != "SCHEMA" or thing.name in ours)
    }


def _is_ignored(difference: Difference, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(str(difference.thing), pattern) for pattern in patterns)
