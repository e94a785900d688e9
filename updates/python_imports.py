"""The imports at the top of a Python file: which there are, and the file with more of them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

WIDTH = 100  # characters of a line


class Import(NamedTuple):
    """One imported name.

    Attributes:
        module: with the dots of a relative import in front.
        name: empty for `import module`.
        alias: empty without `as`.
    """

    module: str
    name: str
    alias: str

    @property
    def bound(self) -> str:
        """The name that it gives to the file."""
        return self.alias or self.name or self.module.partition(".")[0]


def imports_of(tree: ast.Module) -> Iterator[Import]:
    """The imports at the top level of a module."""
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield from names_in(statement)


def names_in(statement: ast.Import | ast.ImportFrom) -> list[Import]:
    """The names that a statement imports."""
    if isinstance(statement, ast.Import):
        return [Import(each.name, "", each.asname or "") for each in statement.names]
    module = "." * statement.level + (statement.module or "")
    return [Import(module, each.name, each.asname or "") for each in statement.names]


def with_imports(text: str, wanted: Iterable[Import], package: str) -> str:
    """A module with more imports, in the order that ruff wants. In a file with a conflict they come
    last: they work there when the conflict is settled.
    """
    try:
        ast.parse(text)
    except SyntaxError:
        return "\n".join([text.rstrip("\n"), "", *(statement_of([each]) for each in wanted)])
    for each in wanted:
        if each not in imports_of(ast.parse(text)):
            text = _with_import(text, each, package)
    return text


def statement_of(names: Iterable[Import]) -> str:
    """The statement that imports some names of one module, as ruff writes it."""
    sorted_names = sorted(names, key=lambda each: order_of_name(each.name))
    module = sorted_names[0].module
    if not sorted_names[0].name:
        return "".join(f"import {module}{_as(each)}\n" for each in sorted_names)
    parts = [f"{each.name}{_as(each)}" for each in sorted_names]
    line = f"from {module} import {', '.join(parts)}\n"
    if len(line) <= WIDTH + 1:
        return line
    return f"from {module} import (\n" + "".join(f"    {part},\n" for part in parts) + ")\n"


def order_of_name(name: str) -> tuple[int, str]:
    """Constants, then classes, then others: https://docs.astral.sh/ruff/settings/#lint_isort_order-by-type"""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name)


def _as(each: Import) -> str:
    return f" as {each.alias}" if each.alias else ""


def _with_import(text: str, wanted: Import, package: str) -> str:
    lines = text.splitlines(keepends=True)
    statements = [
        statement
        for statement in ast.parse(text).body
        if isinstance(statement, (ast.Import, ast.ImportFrom))
    ]
    for statement in statements:
        names = names_in(statement)
        place = slice(statement.lineno - 1, statement.end_lineno)
        if wanted.name and names[0].module == wanted.module and names[0].name:
            if any("#" in line for line in lines[place]):  # a comment would get lost
                continue
            lines[place] = [statement_of([*names, wanted])]
            return "".join(lines)
    section, order = _section(wanted, package), _order(wanted, package)
    new = statement_of([wanted])
    below = None
    for statement in statements:
        if _order(names_in(statement)[0], package) > order:
            below = statement
            break
    if below is not None:
        is_same = _section(names_in(below)[0], package) == section
        before = statements[: statements.index(below)]
        starts = not before or _section(names_in(before[-1])[0], package) != section
        if not is_same and not starts:  # it ends its section
            at = before[-1].end_lineno or 0
            lines[at:at] = [new]
        else:
            at = below.lineno - 1
            lines[at:at] = [new] if is_same else [new, "\n"]
    elif statements:
        is_same = _section(names_in(statements[-1])[0], package) == section
        at = statements[-1].end_lineno or 0
        lines[at:at] = [new] if is_same else ["\n", new]
    else:
        at = _end_of_docstring(text)
        lines[at:at] = ["\n", new] if at else [new, "\n"]
    return "".join(lines)


def _end_of_docstring(text: str) -> int:
    """The number of the last line of the docstring; 0 without one."""
    match ast.parse(text).body:
        case [ast.Expr(value=ast.Constant(value=str())) as docstring, *_]:
            return docstring.end_lineno or 0
    return 0


def _section(each: Import, package: str) -> int:
    """https://docs.astral.sh/ruff/settings/#lint_isort_section-order"""
    top = each.module.partition(".")[0]
    if top == "__future__":
        return 0
    if top in sys.stdlib_module_names:
        return 1
    if not top:
        return 4  # relative
    return 3 if top == package else 2


def _order(each: Import, package: str) -> tuple[int, bool, int, str]:
    dots = len(each.module) - len(each.module.lstrip("."))
    is_from = bool(each.name)
    return (_section(each, package), is_from, -dots, each.module.lower())
