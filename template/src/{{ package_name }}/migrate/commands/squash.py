"""`db squash`: one revision in the place of many, with the id of the last of them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple
from sqlalchemy import Connection, MetaData, text

from ...config import settings
from ...database.address import Address
from ...paths import relative
from ..connection import make_engine, with_connection
from ..formatting import formatted
from ..from_scratch import FromScratch, Wanted, try_source, write_from_scratch
from ..from_scratch.reflection import metadata_of
from ..git import git, remove, tracked
from ..head_file import record_heads
from ..history import replaced_by, require_sound
from ..locations import require_usual_files, require_usual_version_table
from ..revision_files import VERSIONS, write_text
from ..schema_dump import Schema
from ..scratch import replay, scratch_databases
from ..terminal import require_consent, tell
from .data_changes import carried_over, data_changes_in

WITHOUT_DATA = (
    "Squash without --with-data, and write what a new database needs into a revision of its own."
)

# Values of the others are new each time.
STEADY_COLUMNS = text(
    """
    SELECT n.nspname, c.relname, a.attname FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
      AND coalesce(pg_get_expr(d.adbin, d.adrelid), '') !~* 'now\\(|current_|random|uuid|clock_|timeofday'
    ORDER BY a.attname
    """
)

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
        rows = _rows_in(old, wanted.schema)
        if data:
            source = carried_over(folded, source)
            made = _run_with_data(source, make)
            _require_the_same_rows(rows, _rows_in(made, wanted.schema))
    for line in _about_data(folded, rows, carried=data):
        tell(line)
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


@dataclass(frozen=True, slots=True)
class Rows:
    """What a table holds."""

    count: int
    digest: str  # of all values but those that are new each time, such as now()


def _rows_in(database: Address, schema: Schema) -> dict[str, Rows]:
    """The rows of each table."""
    tables = [(thing.schema, thing.name) for thing in schema if thing.kind == "TABLE"]

    def read(connection: Connection) -> dict[str, Rows]:
        quote = connection.dialect.identifier_preparer.quote_identifier
        columns: dict[tuple[str, str], list[str]] = {}
        for row in connection.execute(STEADY_COLUMNS):
            columns.setdefault((row.nspname, row.relname), []).append(quote(row.attname))
        found = {}
        for table in tables:
            values = ", ".join(columns.get(table, []))
            query = (
                f"SELECT count(*), coalesce(md5(string_agg(value, E'\\n' ORDER BY value)), '') "
                f"FROM (SELECT ROW({values})::text AS value FROM {'.'.join(map(quote, table))}) rows"
            )
            found[".".join(table)] = Rows(*connection.exec_driver_sql(query).one())
        return found

    return with_connection(make_engine(database, settings.migration_driver), read)


def _require_the_same_rows(wanted: dict[str, Rows], made: dict[str, Rows]) -> None:
    wrong = [
        f"{table} ({made[table].count} rows in place of {rows.count})"
        if made[table].count != rows.count
        else f"{table} (other values)"
        for table, rows in wanted.items()
        if made[table] != rows
    ]
    if wrong:
        raise CommandError(
            f"What was carried over makes other rows: {', '.join(wrong)}. {WITHOUT_DATA}"
        )


def _run_with_data(source: str, make: Callable[[], Address]) -> Address:
    try:
        return try_source(source, make)
    except CommandError as error:
        reason = re.sub(r"^\S*revision\.py:\d+: | This revision is not marked.*$", "", str(error))
        raise CommandError(
            f"What was carried over cannot be run on the newest schema: {reason} {WITHOUT_DATA}"
        ) from error


def _about_data(folded: list[Script], rows: dict[str, Rows], *, carried: bool) -> Iterator[str]:
    for one in folded:
        if lines := data_changes_in(Path(one.path)):
            where = f"{relative(Path(one.path))}:{lines[0]}"
            yield f"{one.revision} ({one.doc}) changes rows, or may: {where}"
    filled = [f"{table} ({found.count})" for table, found in rows.items() if found.count]
    if filled and not carried:
        yield (
            f"A new database would not have the rows that the history makes: {', '.join(filled)}. To carry "
            "over what makes them: uv run db squash --with-data"
        )


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
