"""Why a revision cannot just be taken out: others need it, or have applied it."""

from collections.abc import Sequence
from contextlib import suppress

from alembic.util import CommandError

from ...config import settings
from ...paths import relative
from ...printable import one_line
from ..lost_revisions import file_on_the_main_branch
from ..quoting import word
from ..revision_files import RevisionFile, history_of, names_in
from ..version_table import require_current_revisions
from .source import function_of


def require_no_dependents(file: RevisionFile, files: Sequence[RevisionFile]) -> None:
    """
    Raises:
        CommandError: another revision depends on it, or on the label of its branch.
    """
    labels = names_in(file.path.read_text(encoding="utf-8"), "branch_labels")
    followed = [other for other in files if file.revision in other.follows]
    if labels and followed:
        raise CommandError(
            f"{relative(file.path)} gives its branch the label {', '.join(labels)}, which would be "
            f"lost. Move its branch_labels to {relative(followed[0].path)} first."
        )
    for other in files:
        for needed in names_in(other.path.read_text(encoding="utf-8"), "depends_on"):
            if needed in labels or file.revision.startswith(needed):
                raise CommandError(
                    f"{relative(other.path)} depends on {needed} (depends_on). Take that out first."
                )


def require_unpublished(file: RevisionFile) -> None:
    """
    Raises:
        CommandError: it is on the main branch.
    """
    found = file_on_the_main_branch(file.revision)
    if found:
        raise CommandError(
            f"{file.revision} is on {found[0]}, so others may have applied it, and without its file "
            f"their databases could not be migrated any more. {_recipe(file)}\n"
            f"If nobody has applied it: uv run db remove {word(file.revision)} --published"
        )


def is_applied(file: RevisionFile, files: Sequence[RevisionFile]) -> bool:
    """Whether it is the newest in the database.

    Raises:
        CommandError: it is not known, or others are applied after it.
    """
    name = file.revision
    current = require_current_revisions(f"uv run db remove {word(name)} --offline")
    known = {other.revision for other in files}
    if unknown := [revision for revision in current if revision not in known]:
        raise CommandError(
            f"The database is at revision {one_line(', '.join(unknown))}, which is not in this code, so it cannot "
            f"be told whether {name} is applied. If its file was removed: uv run db remove {word(unknown[0])}"
        )
    applied = applied_at(files, current)
    if name in applied and name not in current:
        after = [o.revision for o in files if name in o.follows and o.revision in applied]
        raise CommandError(
            f"{name} is applied to {settings.migration_address}, and so is {', '.join(after)} after it, "
            f"so it cannot be taken out. {_recipe(file)}\n"
            "Where rows may be lost, as in a database for development: uv run alembic downgrade "
            f"{word(name)}, then uv run db remove {word(name)}"
        )
    return name in applied


def applied_at(files: Sequence[RevisionFile], revisions: Sequence[str]) -> set[str]:
    """All that is applied to a database that is at some revisions."""
    by_id = {}
    for file in files:
        needed = names_in(file.path.read_text(encoding="utf-8"), "depends_on")
        by_id[file.revision] = file._replace(follows=file.follows + needed)
    known = [revision for revision in revisions if revision in by_id]
    return {name for revision in known for name in history_of(by_id, revision)}


def _recipe(file: RevisionFile) -> str:
    """How to undo a revision in another one."""
    lines = {}
    with suppress(SyntaxError):
        for function in ("upgrade", "downgrade"):
            if found := function_of(file.path, function):
                lines[function] = f" (line {found.lineno})"
    return (
        "Undo it in a new revision:\n"
        f"  1. uv run alembic revision -m {word(f'Undo {file.revision}')}\n"
        f"  2. Copy the body of downgrade(){lines.get('downgrade', '')} of {relative(file.path)} into "
        "the new file's upgrade(),\n"
        f"     and that of upgrade(){lines.get('upgrade', '')} into its downgrade().\n"
        "  3. Take what it made out of the models.\n"
        "  4. uv run alembic upgrade head && uv run alembic check"
    )
