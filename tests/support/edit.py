"""Edits of files that a test makes. A text that is not there is an error: without it, the test would look at
what it did not change.
"""

from pathlib import Path


def edit(path: Path, old: str, new: str, *, times: int = 1) -> None:
    """Replace a text in a file.

    Args:
        path: the file.
        old: the text. The file has it.
        new: what replaces it.
        times: how often the file has it.
    """
    path.write_text(edited(path.read_text(), old, new, times=times, where=str(path)))


def edited(text: str, old: str, new: str, *, times: int = 1, where: str = "the text") -> str:
    """A text with another in place of a part of it, which it has so many times."""
    found = text.count(old)
    assert found == times, f"{where} has {found} times and not {times} times: {old!r}"
    return text.replace(old, new)
