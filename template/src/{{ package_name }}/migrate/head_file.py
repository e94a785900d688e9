"""migrations/head.txt names the newest revision, so that two people who add one each have a conflict
in git instead of a history with two heads.
"""

from pathlib import Path

from ..paths import PROJECT_ROOT
from .revision_files import heads_of, read_revision_files, write_text

HEAD_FILE = PROJECT_ROOT / "migrations" / "head.txt"


def record_heads(*, without: Path | None = None) -> str:
    """Write the file, and return what is in it.

    Args:
        without: a revision's file that is about to go.

    Raises:
        UnreadableRevisionError: the revisions are written in another way than Alembic writes them.
    """
    files = [file for file in read_revision_files() if file.path != without]
    text = "".join(f"{revision}\n" for revision in heads_of(files))
    if not HEAD_FILE.exists() or HEAD_FILE.read_text(encoding="utf-8") != text:
        write_text(HEAD_FILE, text)
    return text


def what_is_wrong_with_the_head_file() -> str | None:
    """A sentence, where the file does not say what the history says. One that is not there yet is
    written with the next revision.
    """
    if not HEAD_FILE.exists():
        return None
    recorded = HEAD_FILE.read_text(encoding="utf-8").split()
    heads = heads_of(read_revision_files())
    if recorded == heads:
        return None
    return (
        f"{HEAD_FILE} says {' '.join(recorded) or 'nothing'}, and the head is "
        f"{', '.join(heads) or 'none'}. After a merge in git that left two heads: uv run db rebase. "
        "Else: uv run db record_head"
    )
