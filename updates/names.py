"""Names that a module uses and no longer has, because the template's side of a merge dropped them."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Callable, Iterator

from pieces import Piece, by_key
from python_imports import Import, imports_of, with_imports
from python_pieces import python_pieces

IMPLICIT = {"__file__", "__name__", "__doc__", "__package__", "__path__", "__spec__"}

OWN = "."  # instead of a module: the module itself

# From an import of before the update to the one that gives the same name today.
Successor = Callable[[Import], Import]


def unbound(text: str) -> set[str]:
    """The names that a module uses and nothing in it defines."""
    top = symtable.symtable(text, "module", "exec")
    bound = {symbol.get_name() for symbol in top.get_symbols() if _is_bound(symbol)}
    used = {
        symbol.get_name()
        for scope in _scopes(top)
        for symbol in scope.get_symbols()
        if symbol.is_referenced() and (symbol.is_global() or scope is top)
    }
    assigned = {
        symbol.get_name()
        for scope in _scopes(top)
        for symbol in scope.get_symbols()
        if symbol.is_declared_global() and symbol.is_assigned()
    }
    return used - bound - assigned - set(dir(builtins)) - IMPLICIT


def bound(text: str) -> set[str]:
    """The names that a module defines or imports at its top level."""
    top = symtable.symtable(text, "module", "exec")
    return {symbol.get_name() for symbol in top.get_symbols() if _is_bound(symbol)}


def with_lost_names(text: str, team: str, package: str, successor: Successor) -> str:
    """A merged module with what the team's version had and it still uses: an import, or a
    definition that the template dropped.

    Args:
        text: the module.
        team: the team's version.
        package: of the service.
        successor: tells how to import today what an import named, or what the module defined
            (`OWN`). It returns what it is given if nothing else gives the name.
    """
    imports = {each.bound: each for each in imports_of(ast.parse(team))}
    definitions = by_key(python_pieces(team, imports=False).parts)
    wanted: list[Import] = []
    copied: set[str] = set()
    known_names, lost = bound(text), unbound(text)
    while names := lost - copied - {each.bound for each in wanted}:
        number = len(wanted) + len(copied)
        for name in sorted(names):
            if name in imports:
                wanted.append(successor(imports[name]))
            elif name in definitions and (each := successor(Import(OWN, name, ""))).module != OWN:
                wanted.append(each._replace(alias=name))  # others may import it from here
            elif name in definitions:
                copied.add(name)
                lost |= unbound(definitions[name].text) - known_names
        if len(wanted) + len(copied) == number:
            break
    text = with_imports(text, wanted, package)
    return _with_definitions(text, [definitions[key] for key in definitions if key in copied])


def _is_bound(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _scopes(child)


def _with_definitions(text: str, pieces: list[Piece]) -> str:
    """A module with more definitions, in front of the first part that uses one."""
    if not pieces:
        return text
    module = python_pieces(text)
    keys = {piece.key for piece in pieces}
    uses = [at for at, part in enumerate(module.parts) if unbound(part.text) & keys]
    at = min(uses, default=len(module.parts))
    for piece in pieces:
        piece.gap = 2 if piece.kind in ("class", "function") else 1
    module.parts[at:at] = pieces
    for part in module.parts[at + len(pieces) :][:1]:
        part.gap = max(part.gap, pieces[-1].gap)
    module.parts[0].gap = 0
    return module.text
