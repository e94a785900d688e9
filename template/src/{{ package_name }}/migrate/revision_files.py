"""The revisions by the text of their files: without importing any of them, or Alembic, and also
where they do not make a sound history.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..paths import PROJECT_ROOT

VERSIONS = PROJECT_ROOT / "migrations" / "versions"

REVISION = re.compile(r"""^revision\b[^=\n]*=\s*["']([^"'\n]+)["']\s*$""", re.MULTILINE)
NAMES = r"""^{}\b[^=\n]*=\s*(None|["'][^"'\n]+["']|[(\[][^()\[\]]*[)\]])\s*$"""
DOWN_REVISION = re.compile(NAMES.format("down_revision"), re.MULTILINE)
NAME = re.compile(r"""["']([^"']+)["']""")


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
    return parse_revision(path.read_text(encoding="utf-8"), path)


def parse_revision(source: str, path: Path) -> RevisionFile:
    """The revision that the text of a file is.

    Raises:
        UnreadableRevisionError: it does not say what it is or follows in a way that is understood.
    """
    revision, down = REVISION.search(source), DOWN_REVISION.search(source)
    if not revision or not down:
        raise UnreadableRevisionError(
            f"{path} does not say what it is and follows in the way that Alembic writes it."
        )
    return RevisionFile(path, revision[1], tuple(NAME.findall(down[1])))


def names_in(source: str, attribute: str) -> tuple[str, ...]:
    """What the text of a revision has in `depends_on` or `branch_labels`."""
    found = re.search(NAMES.format(attribute), source, re.MULTILINE)
    return tuple(NAME.findall(found[1])) if found else ()


def read_revision_files() -> list[RevisionFile]:
    """All of them, in the order of their names.

    Raises:
        UnreadableRevisionError: one cannot be understood.
    """
    # Alembic leaves out the same ones: a package's own file, and what an editor locks files with.
    return [
        read_revision_file(path)
        for path in sorted(VERSIONS.glob("*.py"))
        if not path.name.startswith(("__init__", ".#"))
    ]


def write_text(path: Path, text: str) -> None:
    """Write all of a file or nothing. What Python has compiled of it goes too: it would be taken
    for current where the file has the same length and the same second.
    """
    scratch = path.with_suffix(".new")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
    remove_compiled(path)


def following(source: str, revisions: Sequence[str]) -> str:
    """The text of a revision with others in down_revision, and in the line of the docstring that
    repeats it.
    """
    names = [f'"{revision}"' for revision in revisions]
    down = names[0] if len(names) == 1 else f"({', '.join(names)})" if names else "None"
    found = DOWN_REVISION.search(source)
    if found:
        source = source[: found.start(1)] + down + source[found.end(1) :]
    listed = f"Revises: {', '.join(revisions)}".rstrip()
    return re.sub(r"^Revises:.*$", lambda _: listed, source, count=1, flags=re.MULTILINE)


def history_of(by_id: Mapping[str, RevisionFile], revision: str) -> list[str]:
    """The revision and all before it, newest first."""
    found, waiting = [], [revision]
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += by_id[name].follows
    return found


def newest_of(by_id: Mapping[str, RevisionFile], revisions: Iterable[str]) -> list[str]:
    """Without those that are in the history of another."""
    histories = {name: history_of(by_id, name) for name in revisions}
    return [
        name
        for name in histories
        if not any(name in histories[other] for other in histories if other != name)
    ]


def heads_of(files: Sequence[RevisionFile]) -> list[str]:
    """The revisions that no other follows.

    Raises:
        UnreadableRevisionError: two have one id.
    """
    revisions = [file.revision for file in files]
    if len(set(revisions)) < len(revisions):
        twice = sorted({name for name in revisions if revisions.count(name) > 1})
        raise UnreadableRevisionError(f"Two files have the revision id {', '.join(twice)}.")
    followed = {revision for file in files for revision in file.follows}
    return [revision for revision in revisions if revision not in followed]


def remove_compiled(path: Path) -> None:
    """Remove what Python has compiled of a file."""
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink(missing_ok=True)
