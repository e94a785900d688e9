"""Queries on the history of revisions."""

import re
import traceback
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from alembic_live.history.files import RevisionFile, read_revision_file
from alembic_live.history.locations import folders_of, is_in, paths_of
from alembic_live.internals.alembic import flaw_in_history
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.sql.quoting import word


def require_sound(script: ScriptDirectory, *, may_be_in_squash: bool = False) -> None:
    """Load every revision.

    Args:
        script: the history.
        may_be_in_squash: whether an interrupted squash is allowed.

    Raises:
        CommandError: a revision cannot be loaded, follows one that does not exist, or has the id of
            another; the text names the file.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        failure: Exception | None = None
        try:
            script.get_heads()
        except Exception as error:
            failure = error
    for warning in caught:
        match flaw_in_history(warning):
            case "twice", name:
                raise CommandError(
                    f"Two files have the revision id {name}, so one of them would never run: "
                    f"{_files_with(script, name)}. Give one of them a new id, and set its "
                    "down_revision to the other."
                )
            case "missing", name:
                raise CommandError(
                    f"Revision {name} does not exist, but another revision follows it: "
                    f"{_files_with(script, name)}. Restore its file, or correct down_revision."
                )
            case "unknown", text:
                raise CommandError(f"Alembic warns about the revisions: {text}")
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if not failure and not may_be_in_squash and len(script.get_heads()) > 1:
        _require_no_squash_in_progress(script)
    match failure:
        case KeyError(args=(str(name),)) if not _places(
            script, failure
        ):  # depends_on takes ids and labels, and no parts of them
            raise CommandError(
                f"Revision {name} does not exist, but another revision depends on it: "
                f"{_files_with(script, name)}. Correct depends_on: it takes whole ids, and labels."
            ) from failure
    if failure:
        from alembic_live.sql.redaction import redacted_message  # only errors need it

        raise CommandError(
            f"A revision cannot be loaded: {_place(script, failure)}: "
            f"{type(failure).__name__}: {redacted_message(str(failure))}"
        ) from failure


def revision_files(project: Project) -> list[RevisionFile]:
    """The revisions of a project, read from the text of their files. Alembic loads only those that
    have no source.

    Raises:
        UnreadableRevisionError: a file is not in Alembic's format.
    """
    script = project.script
    paths = paths_of(script)
    files = [read_revision_file(path) for path in paths if path.suffix == ".py"]
    if len(files) == len(paths):
        return files
    require_sound(script)
    return [
        RevisionFile(Path(one.path), one.revision, names_of(one.down_revision))
        for one in script.walk_revisions()
    ]


def unknown_revisions(script: ScriptDirectory, revisions: Iterable[str]) -> list[str]:
    """The revisions without a file: newer code added them, or they were removed."""
    return [revision for revision in revisions if not _is_known(script, revision)]


def describe_unknown(revisions: Iterable[str], rest: str) -> str:
    """A sentence about unknown revisions that a database is at.

    Args:
        revisions: the unknown revisions.
        rest: what follows, such as advice, from the punctuation on.
    """
    names = one_line(", ".join(revisions))
    return f"The database is at revision {names}, which is not in this code{rest}"


def replaced_by(script: ScriptDirectory) -> dict[str, str]:
    """The squashed revisions, each with the revision that replaces it."""
    return {
        gone: revision.revision
        for revision in script.walk_revisions()
        for gone in getattr(revision.module, "replaces", ())
    }


def names_of(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """The names in an attribute of a revision, such as `down_revision`."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def title_of(revision: Script) -> str:
    """The first line of a revision's docstring. Its `doc` is the first paragraph."""
    return (revision.doc or "").strip().partition("\n")[0].rstrip()


def _is_known(script: ScriptDirectory, revision: str) -> bool:
    with suppress(CommandError):
        found = script.get_revision(revision)  # accepts the beginning of an id too
        return found is not None and found.revision == revision
    return False


def _require_no_squash_in_progress(script: ScriptDirectory) -> None:
    replaced = replaced_by(script)
    if left := [one.revision for one in script.walk_revisions() if one.revision in replaced]:
        raise CommandError(
            f"A squash was interrupted: {replaced[left[0]]} replaces {left[0]}, which still exists. "
            f"To finish it: uv run db squash. To undo it: {restore_of(script)}"
        )


def restore_of(script: ScriptDirectory) -> str:
    """The command that restores the revisions from git."""
    main = Path(script.dir).resolve()  # with head.txt
    folders = [main, *(each for each in folders_of(script) if not each.is_relative_to(main))]
    current = Path.cwd()
    shown = [
        each.relative_to(current) if each.is_relative_to(current) else each for each in folders
    ]
    return f"git restore --source=HEAD --staged --worktree {' '.join(word(str(x)) for x in shown)}"


def _files_with(script: ScriptDirectory, revision: str) -> str:
    named = re.compile(
        rf"""^(?:(?:down_)?revision|depends_on)\b.*["']{re.escape(revision)}["']""", re.MULTILINE
    )
    return ", ".join(
        str(file)
        for file in paths_of(script)
        if named.search(file.read_text(encoding="utf-8", errors="replace"))
    )


def _place(script: ScriptDirectory, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    return [", ".join(map(str, folders_of(script))), *_places(script, error)][-1]


def _places(script: ScriptDirectory, error: Exception) -> list[str]:
    """The lines of revisions in the traceback of an error."""
    folders = folders_of(script)
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{f.filename}:{f.lineno}" for f in frames if is_in(folders, f.filename)]
