"""`db squash`: replace many revisions with one, which has the id of the last of them."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import MetaData

from alembic_live.address import Address
from alembic_live.autogenerate.from_scratch.build import (
    FromScratch,
    TargetSchema,
    write_from_scratch,
)
from alembic_live.autogenerate.from_scratch.reflection import metadata_of
from alembic_live.commands.squash.data_changes import data_changes_in
from alembic_live.commands.squash.rows import (
    NotCarriedOverError,
    place_of,
    rows_in,
    with_rows,
)
from alembic_live.formatting import formatted
from alembic_live.history.files import read_source, write_text
from alembic_live.history.git import git, remove, tracked
from alembic_live.history.graph import names_of, replaced_by, require_sound, restore_of, title_of
from alembic_live.history.head_file import record_heads
from alembic_live.history.irreversible import why_irreversible
from alembic_live.history.locations import folders_of, is_in, paths_of, require_sources
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.dump import Schema
from alembic_live.postgres.scratch import scratch_databases
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_at
from alembic_live.runtime.program import replay
from alembic_live.terminal import require_consent, tell

IN_A_REVISION = "Insert the rows that a new database needs in a new revision after this one."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--to", metavar="REVISION", help="The last revision to squash; defaults to the head."
    )
    parser.add_argument(
        "--with-data",
        action="store_true",
        help="Carry over the statements that change rows.",
    )
    parser.add_argument("--yes", action="store_true", help="Do not ask for confirmation.")


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    tell("\n".join(squash(project, to=arguments.to, data=arguments.with_data, yes=arguments.yes)))
    return 0


def squash(project: Project, *, to: str | None, data: bool, yes: bool) -> list[str]:
    """Replace the history up to a revision with one revision that creates the same schema. The new
    revision is tried before any file is changed. Returns a report.

    Args:
        to: the last revision to replace. Default: the head.
        data: carry over the statements that change rows.
        yes: do not ask for confirmation.

    Raises:
        CommandError: the new revision fails or creates another schema, or a revision has no source.
            Nothing is changed.
    """
    require_sources(project)
    script = project.script
    require_sound(script, may_be_in_squash=True)
    if report := _finish(project, script):
        return report
    target = _target(script, to)
    folded = [*script.iterate_revisions(target.revision, "base")][::-1]
    if len(folded) == 1:
        return [f"Revision {target.revision} is the first one, so there is nothing to squash."]
    _require_no_other_dependents(project, script, folded, target)
    has_git = _require_committed(project)
    tell(f"Replaying {len(folded)} revisions in a scratch database …")
    with scratch_databases(project) as make:
        old = make()
        table = configuration_at(project, old).version_table
        replay(project, old, target.revision)
        wanted = TargetSchema.of(old, version_table=table)
        tell("Writing a revision that creates the same schema …")
        written = write_from_scratch(
            project,
            wanted,
            [_reflected(old, wanted.schema, table.name)],
            make,
            revision=target.revision,
            message=_title(target, len(folded)),
        )
        source = _as_replacement(target, written.source, [one.revision for one in folded[:-1]])
        source = formatted(source, Path(target.path))
        for one in folded:
            if data_changes_in(Path(one.path)):
                tell(f"{one.revision} ({title_of(one)}) may change rows: {place_of(project, one)}")
            if reason := why_irreversible(Path(one.path)):
                tell(
                    f"{one.revision} ({title_of(one)}) has no way back: {reason} The downgrade of "
                    "the new revision drops the tables."
                )
        rows = rows_in(old, wanted.schema)
        carry = partial(with_rows, project, source, folded, rows, wanted.schema, make)
        if data:
            source = _carried(carry)
        elif filled := [f"{table} ({found.count})" for table, found in rows.items() if found.count]:
            tell(
                "A new database would not have the rows that the old revisions create: "
                f"{', '.join(filled)}. {_advice(carry)}"
            )
    no_undo = "" if has_git else " The revisions are not in git, so there is no undo."
    require_consent(
        f"{len(folded)} revisions, {folded[0].revision} to {target.revision}, become one.{no_undo}",
        yes=yes,
    )
    write_text(Path(target.path), source)
    remove(project, [Path(one.path) for one in folded[:-1]])
    record_heads(project)
    return [
        *_report(project, written, folded, target),
        *([f"Undo: {restore_of(script)}"] if has_git else []),
    ]


def _title(target: Script, count: int) -> str:
    """The title of the new revision: how many it replaces, and the title of the last one."""
    own = re.sub(r"^\d+ revisions up to: ", "", title_of(target))
    return f"{count} revisions up to: {own}"


def _finish(project: Project, script: ScriptDirectory) -> list[str]:
    """Finish a squash that was interrupted after it wrote its revision."""
    replaced = replaced_by(script)
    left = [path for revision, path in _files(script) if revision in replaced]
    if not left:
        return []
    remove(project, left)
    record_heads(project)
    return [f"Finished an interrupted squash: removed the remaining {len(left)} files."]


def _files(script: ScriptDirectory) -> list[tuple[str, Path]]:
    return [(one.revision, Path(one.path)) for one in script.walk_revisions()]


def _target(script: ScriptDirectory, to: str | None) -> Script:
    heads = script.get_heads()
    if not heads:
        raise CommandError("There is no revision, so there is nothing to squash.")
    if to is not None and not to.strip():
        raise CommandError("--to is empty. Name the last revision to squash, or omit --to.")
    if to is None and len(heads) > 1:
        raise CommandError(
            f"The history has {len(heads)} heads, {', '.join(heads)}. Name the last revision to "
            f"squash: uv run db squash --to {heads[0]}"
        )
    target = script.get_revision(to or "head")
    if target is None:
        raise CommandError(
            f"There is no revision {to}. `uv run alembic history` lists the revisions."
        )
    return target


def _require_no_other_dependents(
    project: Project, script: ScriptDirectory, folded: list[Script], target: Script
) -> None:
    removed = {one.revision for one in folded[:-1]}
    for one in script.walk_revisions():
        if one.revision not in removed | {target.revision}:
            if needed := removed & set(names_of(one.dependencies)):
                raise CommandError(
                    f"Revision {one.revision} depends on {', '.join(needed)}, which would be removed. Let "
                    f"its depends_on name {target.revision}, or squash up to a revision before "
                    f"{', '.join(needed)}."
                )
            if parents := removed & set(names_of(one.down_revision)):
                raise CommandError(
                    f"Revision {one.revision} follows {', '.join(parents)}, which would be removed. Squash up "
                    "to a revision where all branches are merged, or move it: uv run db rebase"
                )
    for one in folded:
        if labels := names_of(getattr(one.module, "branch_labels", None)):
            quoted = ", ".join(f'"{label}"' for label in labels)
            raise CommandError(
                f"Revision {one.revision} has the branch label {quoted}, which would be "
                f"lost. Remove it from {project.relative(Path(one.path))} first. After the squash, "
                "write it into the new revision."
            )


def _require_committed(project: Project) -> bool:
    """Whether the revisions are committed, so that git can restore them; False without git.

    Raises:
        CommandError: there are uncommitted changes.
    """
    paths = paths_of(project.script)
    kept = [folder for folder in folders_of(project.script) if tracked(project, folder)]
    for folder in map(project.relative, kept):
        if changed := git(project, "status", "--porcelain", "--", folder).split("\n")[:-1]:
            raise CommandError(
                f"{folder} has uncommitted changes ({changed[0].strip()}), so there would be no undo. "
                "Commit them, then squash."
            )
    return bool(kept) and all(is_in(kept, str(path)) for path in paths)


def _reflected(database: Address, schema: Schema, version_table: str) -> MetaData:
    schemas = {thing.schema for thing in schema if thing.kind == "TABLE"}
    engine = make_engine(database)
    return with_connection(
        engine, lambda connection: metadata_of(connection, schemas, version_table)
    )


def _as_replacement(target: Script, source: str, replaced: list[str]) -> str:
    """The new source with the Create Date of the old one and the revisions that it replaces."""
    date = re.compile(r"^Create Date:.*$", re.MULTILINE)
    if found := date.search(read_source(Path(target.path))):
        source = date.sub(lambda _: found[0], source, count=1)
    names = "".join(f'    "{revision}",\n' for revision in replaced)
    # The last variable that script.py.mako writes: a team may have removed the others.
    last = next(
        name
        for name in ("depends_on", "branch_labels", "down_revision", "revision")
        if re.search(rf"^{name}\b.*=", source, re.MULTILINE)
    )
    return re.sub(
        rf"^({last}\b.*)$",
        rf"\g<1>\n\n# The revisions that were squashed into this one. A database at one of them is refused.\n"
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
    """Advice on --with-data, after a trial."""
    try:
        carry()
    except NotCarriedOverError as error:
        return f"--with-data does not help: {error} {IN_A_REVISION}"
    return "To carry over the statements that create them: uv run db squash --with-data"


def _report(
    project: Project, written: FromScratch, folded: list[Script], target: Script
) -> Iterator[str]:
    tables, objects = len(written.with_operations), len(written.with_sql)
    yield (
        f"{len(folded)} revisions are now one: {project.relative(Path(target.path))}. It creates {tables} "
        f"{'table' if tables == 1 else 'tables'} with Alembic's operations, and {objects} "
        f"{'object' if objects == 1 else 'objects'} with SQL. It creates a database with the same dump as the old revisions."
    )
    if written.not_dropped:
        yield f"Its downgrade does not drop: {', '.join(written.not_dropped)}."
    yield (
        f"A database at {target.revision} or later needs no upgrade. An older one is refused: upgrade it "
        f"to {target.revision} with the code from before the squash."
    )
