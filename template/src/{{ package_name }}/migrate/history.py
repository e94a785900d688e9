"""Questions to the history of revisions."""

from collections.abc import Iterable
from contextlib import suppress

from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError


def unknown_revisions(script: ScriptDirectory, revisions: Iterable[str]) -> list[str]:
    """Those that no file has: a newer version of the code made them, or they were removed."""
    return [revision for revision in revisions if not _is_known(script, revision)]


def _is_known(script: ScriptDirectory, revision: str) -> bool:
    with suppress(CommandError, ResolutionError):
        return script.get_revision(revision) is not None
    return False
