"""The Python of a revision's file: functions, statements, and comments that ignore a rule. A
compiled file has none.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from alembic_live.history.files import read_source

IGNORE = re.compile(
    r"#\s*squawk-ignore(?P<file>-file)?"
    r"(?:\s+(?P<rules>[\w-]+(?:\s*,\s*[\w-]+)*))?\s*(?::\s*(?P<reason>\S.*))?$"
)


class Ignore(NamedTuple):
    """A comment `# squawk-ignore rule: reason`, or `# squawk-ignore-file: reason`."""

    line: int
    rules: list[str]  # for a file, an empty list is all rules about SQL
    reason: str | None
    of_file: bool

    def allows_in_file(self, rule: str) -> bool:
        """Whether it allows a rule about SQL in the whole file."""
        return self.of_file and bool(self.reason) and (not self.rules or rule in self.rules)


def ignores_in(path: Path) -> Iterator[Ignore]:
    """The comments in a file that ignore a rule."""
    for number, line in enumerate(_lines(path), start=1):
        found = IGNORE.search(line)
        if found and (found["file"] or found["rules"]):
            rules = re.split(r"\s*,\s*", found["rules"]) if found["rules"] else []
            yield Ignore(number, rules, found["reason"], bool(found["file"]))


def function_in(path: Path, name: str) -> ast.FunctionDef | None:
    """A function at the top level of a file."""
    functions = (node for node in _tree(path).body if isinstance(node, ast.FunctionDef))
    return next((node for node in functions if node.name == name), None)


def does_nothing(function: ast.FunctionDef) -> bool:
    """Whether the body is nothing but `pass` and constants, such as a docstring."""
    return all(
        isinstance(node, ast.Pass)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in function.body
    )


def same_code(one: str, other: str) -> bool:
    """Whether two sources differ in nothing but comments and layout."""
    return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))


def statement_at(path: Path, line: int) -> tuple[int, int]:
    """The first and the last line of the innermost statement that contains a line."""
    found = (line, line)
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef):
            last = node.end_lineno or node.lineno
            is_smaller = last - node.lineno < found[1] - found[0]
            if node.lineno <= line <= last and (found == (line, line) or is_smaller):
                found = (node.lineno, last)
    return found


def statement_with_comments_at(path: Path, line: int) -> tuple[int, int]:
    """The same, including the comments right above the statement."""
    first, last = statement_at(path, line)
    lines = _lines(path)
    while first > 1 and lines[first - 2].lstrip().startswith("#"):
        first -= 1
    return first, last


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse("\n".join(_lines(path)))


@cache
def _lines(path: Path) -> list[str]:
    return read_source(path).splitlines() if path.suffix == ".py" else []
