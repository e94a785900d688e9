"""Questions to the history of revisions."""

import re
import traceback
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError

# What Alembic warns of before it goes on with one of the two, or falls over.
TWICE = re.compile(r"Revision (\S+) is present more than once")
MISSING = re.compile(r"Revision (\S+) referenced from .* is not present")


def require_sound(script: ScriptDirectory) -> None:
    """Load every revision.

    Raises:
        CommandError: one cannot be loaded, follows one that is not there, or has the id of another;
            the text names the file.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        failure: Exception | None = None
        try:
            script.get_heads()
        except Exception as error:
            failure = error
    for warning in caught:
        text = str(warning.message)
        if twice := TWICE.match(text):
            raise CommandError(
                f"Two files have the revision id {twice[1]}, so that one of them would never run: "
                f"{_files_with(script, twice[1])}. Give one of them another id, and let it follow "
                "the other (down_revision)."
            )
        if missing := MISSING.match(text):
            raise CommandError(
                f"There is no revision {missing[1]}, which another follows: "
                f"{_files_with(script, missing[1])}. Bring its file back, or correct down_revision."
            )
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if not failure and len(script.get_heads()) > 1:
        _require_no_squash_in_progress(script)
    if failure:
        from .redaction import redacted_message  # only errors need it

        raise CommandError(
            f"A revision cannot be loaded: {_place(script, failure)}: "
            f"{type(failure).__name__}: {redacted_message(str(failure))}"
        ) from failure


def unknown_revisions(script: ScriptDirectory, revisions: Iterable[str]) -> list[str]:
    """Those that no file has: a newer version of the code made them, or they were removed."""
    return [revision for revision in revisions if not _is_known(script, revision)]


def replaced_by(script: ScriptDirectory) -> dict[str, str]:
    """What was squashed: each revision that is gone, and the one that stands in its place."""
    return {
        gone: revision.revision
        for revision in script.walk_revisions()
        for gone in getattr(revision.module, "replaces", ())
    }


def _is_known(script: ScriptDirectory, revision: str) -> bool:
    with suppress(CommandError, ResolutionError):
        found = script.get_revision(revision)  # by the beginning of an id too
        return found is not None and found.revision == revision
    return False


def _require_no_squash_in_progress(script: ScriptDirectory) -> None:
    replaced = replaced_by(script)
    if left := [one.revision for one in script.walk_revisions() if one.revision in replaced]:
        raise CommandError(
            f"A squash was cut off: {left[0]} is replaced by {replaced[left[0]]}, and is still there. Finish "
            "it: uv run db squash. Or undo it: git restore --source=HEAD --staged --worktree migrations"
        )


def _files_with(script: ScriptDirectory, revision: str) -> str:
    files = sorted(Path(script.versions).rglob("*.py"))
    named = re.compile(rf"""^(down_)?revision\b.*["']{re.escape(revision)}["']""", re.MULTILINE)
    return ", ".join(str(file) for file in files if named.search(file.read_text(encoding="utf-8")))


def _place(script: ScriptDirectory, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{f.filename}:{f.lineno}" for f in frames if f.filename.startswith(script.versions)]
    return places[-1] if places else script.versions
