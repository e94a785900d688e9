"""What a team has added to a module of the template's stays in its package when the template's part
of the module leaves.
"""

from __future__ import annotations

import ast

from names import Successor, unbound, with_lost_names
from pieces import ConflictError, Piece, by_key
from python_imports import imports_of, with_imports
from python_pieces import python_pieces

DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign, ast.AnnAssign)


def own_definitions(base: bytes, team: bytes, package: str, successor: Successor) -> str | None:
    """A module with what the team has added and all that this needs. None if the team has changed
    anything else, or if what it has added needs the rest.

    Args:
        base: the module as the version before rendered it.
        team: the module before the update.
        package: of the service.
        successor: tells how to import today what the module had.
    """
    try:
        return _own_definitions(base.decode(), team.decode(), package, successor)
    except (ConflictError, SyntaxError, UnicodeDecodeError):
        return None


def _own_definitions(base: str, team: str, package: str, successor: Successor) -> str | None:
    added = _added(base, team)
    if not added:
        return None
    was = {*imports_of(ast.parse(base))}
    imports = [each for each in imports_of(ast.parse(team)) if each not in was]
    text = _docstring(team) + Piece("", "module", [], added).text
    text = with_imports(text, imports, package)
    text = with_lost_names(text, team, package, successor)
    known = {*base.splitlines(), *text.splitlines(), *_import_lines(team)}
    is_whole = known.issuperset(team.splitlines()) and not unbound(text)
    return text if is_whole else None


def _added(base: str, team: str) -> list[Piece]:
    """The definitions that are new, if nothing else is."""
    was, theirs = (by_key(python_pieces(side, imports=False).parts) for side in (base, team))
    if any(key not in theirs or theirs[key].text != piece.text for key, piece in was.items()):
        return []
    if {*imports_of(ast.parse(base))} - {*imports_of(ast.parse(team))}:
        return []
    added = [piece for key, piece in theirs.items() if key not in was]
    nodes = [node for piece in added for node in ast.parse(piece.text).body]
    is_defined = all(isinstance(node, DEFINITIONS) for node in nodes)
    return added if is_defined and len(nodes) == len(added) else []


def _docstring(text: str) -> str:
    match ast.parse(text).body:
        case [ast.Expr(value=ast.Constant(value=str())) as first, *_]:
            return "".join(text.splitlines(keepends=True)[: first.end_lineno])
    return ""


def _import_lines(text: str) -> set[str]:
    """The lines of a module's imports, without those that have a comment."""
    return {
        line
        for statement in ast.parse(text).body
        if isinstance(statement, (ast.Import, ast.ImportFrom))
        for line in text.splitlines()[statement.lineno - 1 : statement.end_lineno]
        if "#" not in line
    }
