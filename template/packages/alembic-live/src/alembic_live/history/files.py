"""Reads revisions from the text of their files. Neither the files nor Alembic are imported, and the
history need not be sound.
"""

import ast
import re
import tokenize
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# The names that Alembic reads in a revision's module, and `replaces`, which `db squash` writes.
_NAME = r"(?:revision|down_revision|branch_labels|depends_on|replaces)"
_ASSIGNMENT = re.compile(rf"\b{_NAME}\b[^=\n]*=(?!=)")
_FUNCTION = re.compile(r"^(?:def|async def|class) ", re.MULTILINE)
_BOM = "\ufeff"


class UnreadableRevisionError(ValueError):
    """A revision's file is not in Alembic's format."""


class RevisionFile(NamedTuple):
    """A revision: its file, its id, and the revisions that it follows."""

    path: Path
    revision: str
    follows: tuple[str, ...]


def read_revision_file(path: Path) -> RevisionFile:
    """The revision in a file.

    Raises:
        UnreadableRevisionError: its id or the revisions that it follows are not literals.
    """
    return parse_revision(read_source(path), path)


def read_source(path: Path) -> str:
    """The text of a revision, in the encoding that it declares.

    Raises:
        UnreadableRevisionError: it has bytes that are not in this encoding.
    """
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UnreadableRevisionError(
            f"{path} is not in UTF-8, nor in an encoding that its first line declares. Save it in UTF-8."
        ) from error


def parse_revision(source: str, path: Path) -> RevisionFile:
    """The revision in the text of a file.

    Raises:
        UnreadableRevisionError: its id or the revisions that it follows are not literals.
    """
    values = _values(source)
    follows = _names(values.get("down_revision"))
    match values.get("revision"):
        case ast.Constant(value=str(revision)) if revision and follows is not None:
            return RevisionFile(path, revision, follows)
    raise UnreadableRevisionError(
        f"{path} does not assign `revision` and `down_revision` as Alembic writes them."
    )


def names_in(source: str, attribute: str) -> tuple[str, ...]:
    """The names in `depends_on`, `branch_labels` or `replaces` of a revision's text."""
    return _names(_values(source).get(attribute)) or ()


def read_revision_files(versions: Path) -> list[RevisionFile]:
    """All revisions of a folder, in the order of their file names.

    Raises:
        UnreadableRevisionError: a file is not in Alembic's format.
    """
    # Alembic skips the same files: those of a package, and the lock files of editors.
    return [
        read_revision_file(path)
        for path in sorted(versions.glob("*.py"))
        if not path.name.startswith(("__init__", ".#"))
    ]


def write_text(path: Path, text: str) -> None:
    """Write a file atomically. Its compiled form is removed: Python would use it if the new file
    has the same length and the same time in seconds.
    """
    scratch = path.with_suffix(".new")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
    remove_compiled(path)


def with_down_revision(source: str, revisions: Sequence[str]) -> str:
    """The text of a revision with new values in down_revision and in the docstring's `Revises:`."""
    names = [f'"{revision}"' for revision in revisions]
    down = names[0] if len(names) == 1 else f"({', '.join(names)})" if names else "None"
    source = source.removeprefix(_BOM)
    value = _values(source).get("down_revision")
    if value is not None and value.end_lineno and value.end_col_offset is not None:
        lines = source.encode().splitlines(keepends=True)
        first, last = value.lineno - 1, value.end_lineno - 1
        ending = lines[last][value.end_col_offset :]
        lines[first : last + 1] = [lines[first][: value.col_offset] + down.encode() + ending]
        source = b"".join(lines).decode()
    listed = f"Revises: {', '.join(revisions)}".rstrip()
    return re.sub(r"^Revises:.*$", lambda _: listed, source, count=1, flags=re.MULTILINE)


def history_of(by_id: Mapping[str, RevisionFile], revision: str) -> list[str]:
    """A revision and its ancestors, newest first."""
    found, waiting = [], [revision]
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += by_id[name].follows
    return found


def newest_of(by_id: Mapping[str, RevisionFile], revisions: Iterable[str]) -> list[str]:
    """The revisions that are not ancestors of another one."""
    histories = {name: history_of(by_id, name) for name in revisions}
    return [
        name
        for name in histories
        if not any(name in histories[other] for other in histories if other != name)
    ]


def heads_of(files: Sequence[RevisionFile]) -> list[str]:
    """The revisions that no other revision follows.

    Raises:
        UnreadableRevisionError: two files have the same id.
    """
    revisions = [file.revision for file in files]
    if len(set(revisions)) < len(revisions):
        twice = sorted({name for name in revisions if revisions.count(name) > 1})
        raise UnreadableRevisionError(f"Two files have the revision id {', '.join(twice)}.")
    followed = {revision for file in files for revision in file.follows}
    return [revision for revision in revisions if revision not in followed]


def remove_compiled(path: Path) -> None:
    """Remove the compiled forms of a Python file."""
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink(missing_ok=True)


def _values(source: str) -> dict[str, ast.expr]:
    """The values that the module assigns to names. Empty if the text is not Python.

    The functions of a revision can be long, and they assign none of the names. Only the text before
    them is parsed, unless the rest looks like an assignment.
    """
    source = source.removeprefix(_BOM)
    function = _FUNCTION.search(source)
    if function and not _ASSIGNMENT.search(source, function.start()):
        module = _parsed(source[: function.start()]) or _parsed(source)
    else:
        module = _parsed(source)
    values: dict[str, ast.expr] = {}
    for statement in module.body if module else ():
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                values[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                values[name] = value
    return values


def _parsed(source: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns when Alembic imports the file
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _names(value: ast.expr | None) -> tuple[str, ...] | None:
    """The names in a literal, which is a string, a sequence of strings or None. None if the value
    is not such a literal.
    """
    match value:
        case ast.Constant(value=None):
            return ()
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            pass
        case _:
            parts = [value] if value else []
    values = [part.value for part in parts if isinstance(part, ast.Constant)]
    names = tuple(value for value in values if value and isinstance(value, str))
    return names if value and len(names) == len(parts) else None
