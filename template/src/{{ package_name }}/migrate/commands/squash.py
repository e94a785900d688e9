"""`db squash`: one revision in the place of many, with the id of the last of them."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple
from sqlalchemy import MetaData

from ...config import settings
from ...database.address import Address
from ...paths import relative
from ..connection import make_engine, with_connection
from ..formatting import formatted
from ..from_scratch import FromScratch, Wanted, write_from_scratch
from ..from_scratch.reflection import metadata_of
from ..git import git, remove, tracked
from ..head_file import record_heads
from ..history import replaced_by, require_sound
from ..locations import require_usual_files, require_usual_version_table
from ..revision_files import VERSIONS, write_text
from ..schema_dump import Schema
from ..scratch import replay, scratch_databases
from ..terminal import require_consent, tell
from .data_changes import data_changes_in
from .rows import NotCarriedOverError, place_of, rows_in, with_rows

IN_A_REVISION = "Write what a new database needs into a separate revision behind this one."

INSTEAD = "No other command squashes: keep the history, or take the setting out."

UNDO = "git restore --source=HEAD --staged --worktree migrations"


def squash(config: Config, *, to: str | None, data: bool, yes: bool) -> list[str]:
    """Fold the history up to a revision into one that makes the same schema from scratch. No file
    is touched before that was tried. Returns what was done, for people.

    Args:
        config: Alembic's.
        to: the last revision that is folded; the head without one.
        data: carry over what changes rows.
        yes: do not ask.

    Raises:
        CommandError: it cannot be done, or makes another schema, or Alembic keeps the history
            elsewhere; nothing is changed.
    """
    require_usual_files(config, instead=INSTEAD)
    script = ScriptDirectory.from_config(config)
    if done := _finish(script):
        return done
    require_sound(script)
    target = _target(script, to)
    folded = [*script.iterate_revisions(target.revision, "base")][::-1]
    if len(folded) == 1:
        return [f"Revision {target.revision} is the first: there is nothing to squash."]
    _require_that_nothing_else_follows(script, folded, target)
    has_git = _require_committed()
    tell(f"Replaying {len(folded)} revisions in a scratch database …")
    with scratch_databases() as make:
        old = make()
        with_connection(
            make_engine(old, settings.migration_driver),
            lambda connection: require_usual_version_table(connection, instead=INSTEAD),
        )
        replay(old, target.revision)
        wanted = Wanted.of(old)
        tell("Writing one that makes the same …")
        written = write_from_scratch(
            wanted,
            _reflected(old, wanted.schema),
            make,
            revision=target.revision,
            message=target.doc,
        )
        source = _as_that_of(target, written.source, [one.revision for one in folded[:-1]])
        source = formatted(source, Path(target.path))
        for one in folded:
            if data_changes_in(Path(one.path)):
                tell(f"{one.revision} ({one.doc}) changes rows, or may: {place_of(one)}")
        rows = rows_in(old, wanted.schema)
        carry = partial(with_rows, source, folded, rows, wanted.schema, make)
        if data:
            source = _carried(carry)
        elif filled := [f"{table} ({found.count})" for table, found in rows.items() if found.count]:
            tell(
                "A new database would not have the rows that the history makes: "
                f"{', '.join(filled)}. {_advice(carry)}"
            )
    no_way_back = "" if has_git else " There is no git here, so there is no way back."
    require_consent(
        f"{len(folded)} revisions, {folded[0].revision} to {target.revision}, become one.{no_way_back}",
        yes=yes,
    )
    write_text(Path(target.path), source)
    remove([Path(one.path) for one in folded[:-1]])
    record_heads()
    return [*_about(written, folded, target), *([f"Undo: {UNDO}"] if has_git else [])]


def _finish(script: ScriptDirectory) -> list[str]:
    """Remove what is left of a squash that was cut off when its revision was written already."""
    replaced = replaced_by(script)
    left = [path for revision, path in _files(script) if revision in replaced]
    if not left:
        return []
    remove(left)
    record_heads()
    return [f"A squash was cut off; it is finished now: {len(left)} files were left to remove."]


def _files(script: ScriptDirectory) -> list[tuple[str, Path]]:
    return [(one.revision, Path(one.path)) for one in script.walk_revisions()]


def _target(script: ScriptDirectory, to: str | None) -> Script:
    heads = script.get_heads()
    if not heads:
        raise CommandError("There is no revision yet, so there is nothing to squash.")
    if to is None and len(heads) > 1:
        raise CommandError(
            f"The history has {len(heads)} heads. Join them (uv run alembic merge heads), or say which "
            "revision is the last that is folded: uv run db squash --to <revision>"
        )
    target = script.get_revision(to or "head")
    if target is None:
        raise CommandError(
            f"There is no revision {to}. uv run alembic history shows those that there are."
        )
    return target


def _require_that_nothing_else_follows(
    script: ScriptDirectory, folded: list[Script], target: Script
) -> None:
    gone = {one.revision for one in folded[:-1]}
    for one in script.walk_revisions():
        if one.revision not in gone | {target.revision}:
            parents = gone & {
                *to_tuple(one.down_revision, default=()),
                *to_tuple(one.dependencies, default=()),
            }
            if parents:
                raise CommandError(
                    f"Revision {one.revision} follows {', '.join(parents)}, which would be gone. Squash up to "
                    "a revision where all branches are one, or put it behind: uv run db rebase"
                )
    for one in folded:
        if one.module.branch_labels:
            raise CommandError(
                f"Revision {one.revision} has the branch label {one.module.branch_labels}, which would be "
                f"gone. Take it out of {relative(Path(one.path))} first, or squash up to another revision."
            )


def _require_committed() -> bool:
    """Whether git has all revisions as they are, so that there is a way back.

    Raises:
        CommandError: something is not committed.
    """
    if not tracked(VERSIONS):
        return False
    if changed := git("status", "--porcelain", "--", relative(VERSIONS)).split("\n")[:-1]:
        raise CommandError(
            f"Not everything in {relative(VERSIONS)} is committed ({changed[0].strip()}), so there would be no "
            "way back. Commit it, then squash."
        )
    return True


def _reflected(database: Address, schema: Schema) -> MetaData:
    schemas = {thing.schema for thing in schema if thing.kind == "TABLE"}
    engine = make_engine(database, settings.migration_driver)
    return with_connection(engine, lambda connection: metadata_of(connection, schemas))


def _as_that_of(target: Script, source: str, replaced: list[str]) -> str:
    """The new text with the date of the old, and with the revisions that it replaces."""
    date = re.compile(r"^Create Date:.*$", re.MULTILINE)
    if found := date.search(Path(target.path).read_text(encoding="utf-8")):
        source = date.sub(lambda _: found[0], source, count=1)
    names = "".join(f'    "{revision}",\n' for revision in replaced)
    return re.sub(
        r"^(depends_on\b.*)$",
        rf"\g<1>\n\n# What a database must not be at: it was squashed into this one.\n"
        rf"replaces: tuple[str, ...] = (\n{names})",
        source,
        count=1,
        flags=re.MULTILINE,
    )


def _carried(carry: Callable[[], str]) -> str:
    try:
        return carry()
    except NotCarriedOverError as error:
        raise CommandError(f"{error} Squash without --with-data. {IN_A_REVISION}") from error


def _advice(carry: Callable[[], str]) -> str:
    """Whether --with-data would work: it is tried."""
    try:
        carry()
    except NotCarriedOverError as error:
        return f"--with-data does not help: {error} {IN_A_REVISION}"
    return "To carry over what makes them: uv run db squash --with-data"


def _about(written: FromScratch, folded: list[Script], target: Script) -> Iterator[str]:
    tables = len(written.with_operations)
    yield (
        f"{len(folded)} revisions are one: {relative(Path(target.path))}. It makes {tables} "
        f"{'table' if tables == 1 else 'tables'} with Alembic's operations, and {len(written.with_sql)} "
        "objects with SQL. Two databases, made by the old history and by it, have the same dump."
    )
    if written.leftovers:
        yield f"Its downgrade leaves behind: {', '.join(written.leftovers)}."
    yield (
        f"A database at {target.revision} or later sees nothing to do. An older one has to be brought to "
        f"{target.revision} by the code from before; this one refuses it."
    )
