"""The revisions by the text of their files: without importing any of them, or Alembic, and also
where they do not make a sound history.
"""

import re
from pathlib import Path
from typing import NamedTuple

from ..paths import PROJECT_ROOT

VERSIONS = PROJECT_ROOT / "migrations" / "versions"

REVISION = re.compile(r"""^revision\b[^=\n]*=\s*["']([^"'\n]+)["']\s*$""", re.MULTILINE)
DOWN_REVISION = re.compile(
    r"""^down_revision\b[^=\n]*=\s*(None|["'][^"'\n]+["']|\([^()]*\))\s*$""", re.MULTILINE
)


class UnreadableRevisionError(ValueError):
    """A file that is written in another way than Alembic writes them."""


class RevisionFile(NamedTuple):
    """One revision: its file, its id, and those that it follows."""

    path: Path
    revision: str
    follows: tuple[str, ...]


def read_revision_file(path: Path) -> RevisionFile:
    """
    Raises:
        UnreadableRevisionError: it does not say what it is or follows in a way that is understood.
    """
    source = path.read_text(encoding="utf-8")
    revision, down = REVISION.search(source), DOWN_REVISION.search(source)
    if not revision or not down:
        raise UnreadableRevisionError(
            f"{path} does not say what it is and follows in the way that Alembic writes it."
        )
    return RevisionFile(path, revision[1], tuple(re.findall(r"""["']([^"']+)["']""", down[1])))


def read_revision_files() -> list[RevisionFile]:
    """All of them, in the order of their names.

    Raises:
        UnreadableRevisionError: one cannot be understood.
    """
    return [read_revision_file(path) for path in sorted(VERSIONS.glob("*.py"))]


def write_text(path: Path, text: str) -> None:
    """Write all of a file or nothing. What Python has compiled of it goes too: it would be taken
    for current where the file has the same length and the same second.
    """
    scratch = path.with_suffix(".new")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
    remove_compiled(path)


def heads_of(files: list[RevisionFile]) -> list[str]:
    """The revisions that no other follows.

    Raises:
        UnreadableRevisionError: two have one id.
    """
    revisions = [file.revision for file in files]
    if len(set(revisions)) < len(revisions):
        raise UnreadableRevisionError("Two revisions have one id.")
    followed = {revision for file in files for revision in file.follows}
    return [revision for revision in revisions if revision not in followed]


def remove_compiled(path: Path) -> None:
    """Remove what Python has compiled of a file."""
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink(missing_ok=True)
