"""Checks before a revision is removed: what depends on it, where it is applied, and rehearsals in
scratch databases.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from alembic_live.commands.lint.source import function_in
from alembic_live.history.deleted_revisions import file_on_the_main_branch
from alembic_live.history.files import (
    RevisionFile,
    history_of,
    names_in,
    newest_target,
    read_source,
    write_text,
)
from alembic_live.history.graph import describe_unknown
from alembic_live.history.irreversible import cannot_be_undone, why_irreversible
from alembic_live.history.locations import folders_of
from alembic_live.internals.alembic import step_of
from alembic_live.postgres.connection import make_engine
from alembic_live.postgres.dump import Difference, comparable, differences, read_schema
from alembic_live.postgres.scratch import scratch_databases
from alembic_live.project import Project
from alembic_live.runtime.configuration import configuration_at
from alembic_live.runtime.program import replay, run_command
from alembic_live.runtime.version_table import require_current_revisions
from alembic_live.sql.quoting import word


def require_no_dependents(
    project: Project, file: RevisionFile, files: Sequence[RevisionFile]
) -> None:
    """
    Raises:
        CommandError: another revision depends on it, or on the label of its branch.
    """
    labels = names_in(read_source(file.path), "branch_labels")
    children = [other for other in files if file.revision in other.follows]
    if labels and children:
        raise CommandError(
            f"{project.relative(file.path)} sets the branch label {', '.join(labels)}, which would be "
            f"lost. Move branch_labels to {project.relative(children[0].path)} first."
        )
    for other in files:
        for needed in names_in(read_source(other.path), "depends_on"):
            if needed in labels or file.revision.startswith(needed):
                raise CommandError(
                    f"{project.relative(other.path)} depends on {needed} (depends_on). Remove that "
                    "dependency first."
                )


def require_unpublished(project: Project, file: RevisionFile, to: str) -> None:
    """
    Args:
        to: what to name in `alembic upgrade` to apply everything.

    Raises:
        CommandError: it is on the main branch.
    """
    found = file_on_the_main_branch(project, file.revision)
    if found:
        raise CommandError(
            f"{file.revision} is on {found[0]}, so others may have applied it. Without its file, their "
            f"databases can no longer be migrated. {_recipe(project, file, to)}\n"
            f"If no database has applied it: uv run db remove {word(file.revision)} --published"
        )


def is_applied(
    project: Project, file: RevisionFile, files: Sequence[RevisionFile], *, published: bool
) -> bool:
    """Whether it is the newest revision in the project's database; False if it is not applied.

    Args:
        published: whether the user has said that it may be on the main branch.

    Raises:
        CommandError: that is unknown, or a later revision is applied.
    """
    name = file.revision
    typed = _typed(file, published=published)
    current = require_current_revisions(project, f"{typed} --offline")
    known = {other.revision for other in files}
    if unknown := [revision for revision in current if revision not in known]:
        raise CommandError(
            describe_unknown(
                unknown,
                f", so it is unknown whether {name} is applied. If its file was deleted: uv run db "
                f"remove {word(unknown[0])}",
            )
        )
    applied = applied_at(files, current)
    if name in applied and name not in current:
        after = [o.revision for o in files if name in o.follows and o.revision in applied]
        so_are = "are" if len(after) > 1 else "is"
        raise CommandError(
            f"{name} is applied to {project.migration_address}, and so {so_are} {', '.join(after)} after it, "
            f"so it cannot be removed. {_recipe(project, file, newest_target(files))}\n"
            "If rows may be lost, as in a development database: uv run alembic downgrade "
            f"{word(name)}, then {typed}"
        )
    return name in applied


def applied_at(files: Sequence[RevisionFile], revisions: Sequence[str]) -> set[str]:
    """The revisions that are applied to a database at the given revisions."""
    sources = {file.revision: read_source(file.path) for file in files}
    labelled = {
        label: revision
        for revision, source in sources.items()
        for label in names_in(source, "branch_labels")
    }
    by_id = {}
    for file in files:
        names = names_in(sources[file.revision], "depends_on")
        needed = tuple(labelled.get(name, name) for name in names)
        by_id[file.revision] = file._replace(follows=file.follows + needed)
    known = [revision for revision in revisions if revision in by_id]
    return {name for revision in known for name in history_of(by_id, revision)}


def rehearse_removal(project: Project, file: RevisionFile, changed: Mapping[Path, str]) -> None:
    """Apply the history without a revision in a scratch database.

    Args:
        changed: the new texts of the files that follow it.

    Raises:
        CommandError: it cannot be applied; the text says why.
    """
    with (
        changed_history(project, changed, without=file.path) as copies,
        scratch_databases(project) as make,
    ):
        scratch = make()
        try:
            replay(project, scratch, "heads", versions=[*copies.values()])
        except CommandError as error:
            reason = str(error)
            for folder, copy in copies.items():
                reason = reason.replace(str(copy), project.relative(folder))
            raise CommandError(
                f"Without {file.revision} the history cannot be applied, so nothing was done: {reason}"
            ) from error


def rehearse_downgrade(
    project: Project, file: RevisionFile, *, published: bool
) -> list[Difference]:
    """Upgrade to a revision and downgrade it again in a scratch database. Returns the differences
    from the schema before.

    Args:
        published: whether the user has said that it may be on the main branch.

    Raises:
        CommandError: it cannot be upgraded or downgraded; the text says why.
    """
    reason = why_irreversible(file.path)
    if reason is not None:
        raise CommandError(
            f"{cannot_be_undone(file.revision, reason)} If rows may be lost, as in a development "
            f"database: {_typed(file, published=published)} --offline, then uv run db reset"
        )
    if function_in(file.path, "downgrade") is None:
        raise CommandError(
            f"{project.relative(file.path)} has no downgrade(), so the database cannot be taken back. "
            f"Write one, or undo the revision in a new one. {_recipe(project, file, project.target)}"
        )
    source = read_source(file.path)
    with scratch_databases(project) as make:
        scratch = make()
        replay(project, scratch, *file.follows, *names_in(source, "depends_on"))
        table = configuration_at(project, scratch).version_table.name
        before = comparable(read_schema(scratch, "--no-privileges", version_table=table))
        replay(project, scratch, file.revision)
        try:
            engine = make_engine(scratch)
            run_command(project, downgrade_one, file.revision, connection=engine)
        except NotImplementedError as error:
            raise CommandError(
                f"{file.revision} cannot be downgraded: {error or 'NotImplementedError'}. Undo it in a "
                "new revision."
            ) from error
        after = comparable(read_schema(scratch, "--no-privileges", version_table=table))
    return differences(after, before, "after its downgrade", "before its upgrade")


@contextmanager
def changed_history(
    project: Project, written: Mapping[Path, str], *, without: Path | None = None
) -> Iterator[dict[Path, Path]]:
    """Temporary copies of the folders of revisions, with some files added or changed. Each folder is
    yielded with its copy.

    Args:
        written: the texts of those files, by path in the project.
        without: a file to leave out.
    """
    script = project.script
    with tempfile.TemporaryDirectory() as temporary:
        copies = {
            folder: Path(temporary).resolve() / str(number)
            for number, folder in enumerate(folders_of(script))
        }
        for folder, copy in copies.items():
            if folder.is_dir():
                shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for path, text in written.items():
            write_text(_copied(path, copies), text)
        if without:
            _copied(without, copies).unlink()
        yield copies


def _copied(path: Path, copies: Mapping[Path, Path]) -> Path:
    """The place of a file in the copies. One that no folder contains is put into the first."""
    for folder in sorted(copies, key=lambda each: len(each.parts), reverse=True):
        if path.is_relative_to(folder):
            return copies[folder] / path.relative_to(folder)
    return next(iter(copies.values())) / path.name


def downgrade_one(config: Config, revision: str) -> None:
    """Downgrade one revision if it is the newest one that is applied; otherwise do nothing. Alembic's
    downgrade takes a target instead, and would downgrade other branches with it.
    """
    script = ScriptDirectory.from_config(config)

    def steps(current: tuple[str, ...], _: Any) -> list[Any]:
        return [step_of(script, revision, is_upgrade=False)] if revision in current else []

    with EnvironmentContext(config, script, fn=steps, destination_rev=revision):
        script.run_env()


def _typed(file: RevisionFile, *, published: bool) -> str:
    """The command that the user has typed, without options that are about the terminal."""
    return f"uv run db remove {word(file.revision)}{' --published' if published else ''}"


def _recipe(project: Project, file: RevisionFile, to: str) -> str:
    """How to undo a revision in a new one."""
    reason = why_irreversible(file.path)
    if reason is not None:
        return cannot_be_undone(file.revision, reason)
    lines = {}
    with suppress(SyntaxError):
        for function in ("upgrade", "downgrade"):
            if found := function_in(file.path, function):
                lines[function] = f" (line {found.lineno})"
    undo = f"Copy the body of downgrade(){lines.get('downgrade', '')} of {project.relative(file.path)} into"
    if "downgrade" not in lines:
        undo = f"{project.relative(file.path)} has no downgrade(): write what undoes it into"
    return (
        "Undo it in a new revision:\n"
        f"  1. uv run alembic revision -m {word(f'Undo {file.revision}')}\n"
        f"  2. {undo} the new file's upgrade(),\n"
        f"     and the body of upgrade(){lines.get('upgrade', '')} into its downgrade().\n"
        "  3. Remove what it created from the models.\n"
        f"  4. uv run alembic upgrade {to} && uv run alembic check"
    )
