"""A revision's file as Python: its functions, its statements, and comments that ignore a rule."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

IGNORE = re.compile(r"#\s*squawk-ignore\s+([\w-]+(?:\s*,\s*[\w-]+)*)\s*(?::\s*(\S.*))?$")


class Ignore(NamedTuple):
    """`# squawk-ignore rule: reason`."""

    line: int
    rules: list[str]
    reason: str | None


def ignores_in(path: Path) -> list[Ignore]:
    """The comments that ignore something."""
    return [
        Ignore(number, re.split(r"\s*,\s*", found[1]), found[2])
        for number, line in enumerate(_lines(path), start=1)
        if (found := IGNORE.search(line))
    ]


def function_of(path: Path, name: str) -> ast.FunctionDef | None:
    """A function of the module."""
    functions = (node for node in _tree(path).body if isinstance(node, ast.FunctionDef))
    return next((node for node in functions if node.name == name), None)


def does_nothing(function: ast.FunctionDef) -> bool:
    """Whether there is nothing in it but `pass` and texts."""
    return all(
        isinstance(node, ast.Pass)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in function.body
    )


def meaning(source: str) -> str:
    """What Python reads of a text: neither comments nor layout."""
    return ast.dump(ast.parse(source))


def statement_around(path: Path, line: int) -> tuple[int, int]:
    """The first and the last line of the innermost statement that a line is in."""
    found = (line, line)
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef):
            last = node.end_lineno or node.lineno
            is_smaller = last - node.lineno < found[1] - found[0]
            if node.lineno <= line <= last and (found == (line, line) or is_smaller):
                found = (node.lineno, last)
    return found


def around(path: Path, line: int) -> tuple[int, int]:
    """Likewise, with the comments right above it."""
    first, last = statement_around(path, line)
    lines = _lines(path)
    while first > 1 and lines[first - 2].lstrip().startswith("#"):
        first -= 1
    return first, last


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
