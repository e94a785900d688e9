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
from alembic_live.history.files import RevisionFile, history_of, names_in
from alembic_live.history.graph import describe_unknown
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
    labels = names_in(file.path.read_text(encoding="utf-8"), "branch_labels")
    children = [other for other in files if file.revision in other.follows]
    if labels and children:
        raise CommandError(
            f"{project.relative(file.path)} sets the branch label {', '.join(labels)}, which would be "
            f"lost. Move branch_labels to {project.relative(children[0].path)} first."
        )
    for other in files:
        for needed in names_in(other.path.read_text(encoding="utf-8"), "depends_on"):
            if needed in labels or file.revision.startswith(needed):
                raise CommandError(
                    f"{project.relative(other.path)} depends on {needed} (depends_on). Remove that "
                    "dependency first."
                )


def require_unpublished(project: Project, file: RevisionFile) -> None:
    """
    Raises:
        CommandError: it is on the main branch.
    """
    found = file_on_the_main_branch(project, file.revision)
    if found:
        raise CommandError(
            f"{file.revision} is on {found[0]}, so others may have applied it. Without its file, their "
            f"databases can no longer be migrated. {_recipe(project, file)}\n"
            f"If no database has applied it: uv run db remove {word(file.revision)} --published"
        )


def is_applied(project: Project, file: RevisionFile, files: Sequence[RevisionFile]) -> bool:
    """Whether it is the newest revision in the project's database; False if it is not applied.

    Raises:
        CommandError: that is unknown, or a later revision is applied.
    """
    name = file.revision
    current = require_current_revisions(project, f"uv run db remove {word(name)} --offline")
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
        raise CommandError(
            f"{name} is applied to {project.migration_address}, and so is {', '.join(after)} after it, "
            f"so it cannot be removed. {_recipe(project, file)}\n"
            "If rows may be lost, as in a development database: uv run alembic downgrade "
            f"{word(name)}, then uv run db remove {word(name)}"
        )
    return name in applied


def applied_at(files: Sequence[RevisionFile], revisions: Sequence[str]) -> set[str]:
    """The revisions that are applied to a database at the given revisions."""
    by_id = {}
    for file in files:
        needed = names_in(file.path.read_text(encoding="utf-8"), "depends_on")
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
    written = {path.name: text for path, text in changed.items()}
    with changed_history(project, written) as folder, scratch_databases(project) as make:
        (folder / file.path.name).unlink()
        scratch = make()
        try:
            replay(project, scratch, "heads", versions=folder)
        except CommandError as error:
            reason = str(error).replace(str(folder), project.relative(project.versions))
            raise CommandError(
                f"Without {file.revision} the history cannot be applied, so nothing was done: {reason}"
            ) from error


def rehearse_downgrade(project: Project, file: RevisionFile) -> list[Difference]:
    """Upgrade to a revision and downgrade it again in a scratch database. Returns the differences
    from the schema before.

    Raises:
        CommandError: it cannot be upgraded or downgraded; the text says why.
    """
    if function_in(file.path, "downgrade") is None:
        raise CommandError(
            f"{project.relative(file.path)} has no downgrade(), so the database cannot be taken back. "
            f"Write one, or undo the revision in a new one. {_recipe(project, file)}"
        )
    source = file.path.read_text(encoding="utf-8")
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
def changed_history(project: Project, written: Mapping[str, str]) -> Iterator[Path]:
    """A temporary copy of the folder of revisions, with some files added or changed.

    Args:
        written: the texts of those files, by file name.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "versions"
        shutil.copytree(project.versions, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
        yield folder


def downgrade_one(config: Config, revision: str) -> None:
    """Downgrade one revision if it is the newest one that is applied; otherwise do nothing. Alembic's
    downgrade takes a target instead, and would downgrade other branches with it.
    """
    script = ScriptDirectory.from_config(config)

    def steps(current: tuple[str, ...], _: Any) -> list[Any]:
        return [step_of(script, revision, is_upgrade=False)] if revision in current else []

    with EnvironmentContext(config, script, fn=steps, destination_rev=revision):
        script.run_env()


def _recipe(project: Project, file: RevisionFile) -> str:
    """How to undo a revision in a new one."""
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
        "  4. uv run alembic upgrade head && uv run alembic check"
    )
