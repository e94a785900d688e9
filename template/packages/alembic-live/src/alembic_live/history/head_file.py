"""migrations/head.txt, the file that names the newest revision. If two people add a revision each,
git reports a conflict in this file. Without it, the merge would leave two heads.
"""

from collections.abc import Sequence
from pathlib import Path

from alembic_live.history.files import RevisionFile, heads_of, write_text
from alembic_live.history.graph import revision_files
from alembic_live.project import Project

HOOK = "record_head"  # the entry of alembic.ini's post_write_hooks that writes the file


def record_heads(project: Project, *, without: Path | None = None, asked: bool = False) -> str:
    """Write the file, and return its text. Without the file and the hook in alembic.ini, the
    project has no such file, and nothing is written.

    Args:
        project: the project.
        without: the file of a revision that is about to be removed.
        asked: write the file in any case.

    Raises:
        UnreadableRevisionError: a revision's file is not in Alembic's format.
    """
    files = [file for file in revision_files(project) if file.path != without]
    if asked or project.head_file.exists() or _has_hook(project):
        return write_heads(project.head_file, files)
    return _text(files)


def write_heads(path: Path, files: Sequence[RevisionFile]) -> str:
    """Write the file for a history, if it differs, and return its text."""
    text = _text(files)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    return text


def _text(files: Sequence[RevisionFile]) -> str:
    return "".join(f"{revision}\n" for revision in heads_of(files))


def _has_hook(project: Project) -> bool:
    return HOOK in project.config.get_section("post_write_hooks", {}).get("hooks", "")


def problem_with_head_file(project: Project) -> str | None:
    """A sentence if the file does not name the heads of the history. A missing file is no problem:
    the next revision writes it.
    """
    if not project.head_file.exists():
        return None
    recorded = project.head_file.read_text(encoding="utf-8").split()
    heads = heads_of(revision_files(project))
    if sorted(recorded) == sorted(heads):
        return None
    return (
        f"{project.head_file} names {' '.join(recorded) or 'no revision'}, but the head is "
        f"{', '.join(heads) or 'none'}. If a git merge left two heads: uv run db rebase. "
        "Otherwise: uv run db record_head"
    )
