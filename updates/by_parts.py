"""Merges Python and TOML files where the lines of both sides conflict (pieces.py)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from pieces import ConflictError, Piece, merged
from python_imports import imports_of, with_imports
from python_pieces import python_pieces
from toml_pieces import toml_pieces

# Functions that a release has renamed, by the files that they are in.
RENAMED = {"migrations/env.py": {"migrate": "configure"}}


def merged_by_parts(path: str, base: bytes, team: bytes, new: bytes, package: str) -> bytes | None:
    """The new version of a file with the team's changes, or None if one has no clear place in it.

    Args:
        path: the path of the file.
        base: the file as the version before rendered it.
        team: the file before the update.
        new: the file as the new version renders it.
        package: of the service.
    """
    try:
        was, theirs, ours = (side.decode() for side in (base, team, new))
        if path.endswith(".py"):
            renamed = RENAMED.get(path, {})
            return _merged_python(was, theirs, ours, package, renamed).encode()
        if path.endswith(".toml"):
            return _merged_toml(was, theirs, ours).encode()
    except (ConflictError, SyntaxError, UnicodeDecodeError):
        pass
    return None


def _merged_python(base: str, team: str, new: str, package: str, renamed: dict[str, str]) -> str:
    was, theirs = python_pieces(base, imports=False), python_pieces(team, imports=False)
    for side in (was, theirs):
        side.parts = [replace(part, key=renamed.get(part.key, part.key)) for part in side.parts]
    result = merged(was, theirs, python_pieces(new)).text
    added = [*imports_of(ast.parse(team))]
    known = {*imports_of(ast.parse(base)), *imports_of(ast.parse(new))}
    result = with_imports(result, [each for each in added if each not in known], package)
    ast.parse(result)
    statements = [s for s in ast.parse(team).body if isinstance(s, (ast.Import, ast.ImportFrom))]
    numbers = {n for s in statements for n in range(s.lineno, (s.end_lineno or 0) + 1)}
    lines = [
        line
        for number, line in enumerate(team.splitlines(), start=1)
        if number not in numbers or "#" in line
    ]
    _require_lines(lines, base, result)
    return result


def _merged_toml(base: str, team: str, new: str) -> str:
    theirs = toml_pieces(team)
    result = merged(toml_pieces(base), theirs, toml_pieces(new)).text
    toml_pieces(result)
    rows = {piece.lines[-1].rstrip("\n") for piece in _rows(theirs)}
    _require_lines([line for line in team.splitlines() if line not in rows], base, result)
    return result


def _rows(piece: Piece) -> Iterator[Piece]:
    """The arrays in one line. Those of both sides are joined, so that neither line is left."""
    if piece.kind == "row":
        yield piece
    for part in piece.parts:
        yield from _rows(part)


def _require_lines(lines: list[str], base: str, result: str) -> None:
    """
    Raises:
        ConflictError: a line that is not in the base is not in the result.
    """
    known = {*base.splitlines(), *result.splitlines()}
    for line in lines:
        if line not in known:
            raise ConflictError(line)
