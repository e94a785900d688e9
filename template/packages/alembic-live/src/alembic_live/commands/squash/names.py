"""The meanings of the names in a revision's file, as far as its text determines them."""

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

MAX_TEXTS = 100  # possible values of one expression


@dataclass(frozen=True, slots=True)
class Imported:
    """An object of a module: `sqlalchemy.Column`."""

    path: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the file defines."""

    node: ast.FunctionDef


@dataclass(frozen=True, slots=True)
class Texts:
    """One of several strings."""

    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Result:
    """The return value of an imported function or class: `sqlalchemy.Enum(…)`."""

    path: str


@dataclass(frozen=True, slots=True)
class Plain:
    """A number, a list or another built-in value that the file creates."""


Meaning = Imported | Function | Texts | Result | Plain | None

# Calls that return their first argument, for the purpose of this analysis.
TEXT_OF = ("sqlalchemy.text", "sqlalchemy.DDL", "sqlalchemy.schema.DDL", "textwrap.dedent")


class Binding(NamedTuple):
    """One place where a name gets a value."""

    meaning: Meaning = None
    value: ast.expr | None = None  # the value
    items_of: ast.expr | None = None  # or the iterable whose items it gets in turn
    place: tuple[int, ...] = ()  # the position in the value or item, if it is unpacked


class Names:
    """The names of a file. The meaning of a name is unknown if it differs between places, or if an
    `import *` may have bound the name.
    """

    def __init__(self, module: ast.Module) -> None:
        self._bindings: dict[str, list[Binding]] = {}
        self._meanings: dict[str, Meaning] = {}
        self._has_star_import = False
        for node in ast.walk(module):
            for name, binding in _bindings_in(node):
                self._has_star_import |= name == "*"
                self._bindings.setdefault(name, []).append(binding)

    def count(self, name: str) -> int:
        """How many times the file binds the name."""
        return len(self._bindings.get(name, ()))

    def meaning_of(self, node: ast.expr) -> Meaning:
        """The meaning of an expression; None if it is unknown."""
        match node:
            case ast.Name(id=name):
                return self._meaning_of_name(name)
            case ast.Attribute(value=value, attr=attribute):
                match self.meaning_of(value):
                    case Imported(path):
                        return Imported(f"{path}.{attribute}")
                    case Result(path):
                        return Result(f"{path}.{attribute}")
            case ast.Constant(value=str(text)):
                return Texts(frozenset([text]))
            case ast.Constant() | ast.Tuple() | ast.List() | ast.Set() | ast.Dict():
                return Plain()
            case ast.ListComp() | ast.SetComp() | ast.DictComp():
                return Plain()
            case ast.JoinedStr(values=values):
                return self._joined(values)
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return self.meaning_of(value)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined([left, right])
            case ast.IfExp(body=body, orelse=orelse):
                return _either([self.meaning_of(body), self.meaning_of(orelse)])
            case ast.NamedExpr(value=value):
                return self.meaning_of(value)
            case ast.Call(func=function):
                return self._result_of(node, self.meaning_of(function))
        return None

    def _meaning_of_name(self, name: str) -> Meaning:
        if self._has_star_import:
            return None
        if name not in self._bindings:
            return Imported(f"builtins.{name}") if hasattr(builtins, name) else None
        if name not in self._meanings:
            self._meanings[name] = None  # in case its value depends on itself
            found = [self._meaning_of_binding(binding) for binding in self._bindings[name]]
            self._meanings[name] = _either(found)
        return self._meanings[name]

    def _meaning_of_binding(self, binding: Binding) -> Meaning:
        if binding.value is not None:
            return self.meaning_of(binding.value)
        if isinstance(binding.items_of, ast.Tuple | ast.List | ast.Set):
            items = [_part(item, binding.place) for item in binding.items_of.elts]
            return _either([self.meaning_of(item) if item else None for item in items])
        return binding.meaning

    def _joined(self, parts: list[ast.expr]) -> Meaning:
        choices = []
        for part in parts:
            meaning = self.meaning_of(part)
            if not isinstance(meaning, Texts):
                return None
            choices.append(meaning.values)
        texts = [
            "".join(each) for each, _ in zip(product(*choices), range(MAX_TEXTS + 1), strict=False)
        ]
        return Texts(frozenset(texts)) if len(texts) <= MAX_TEXTS else None

    def _result_of(self, call: ast.Call, function: Meaning) -> Meaning:
        match function:
            case Imported(path) if path in TEXT_OF and call.args:
                return self.meaning_of(call.args[0])
            case Imported(path) if path.startswith("builtins."):
                return Plain()
            case Imported(path) | Result(path):
                return Result(path)
        return None


def _either(meanings: list[Meaning]) -> Meaning:
    """The meaning that all of them share. Several texts become one Texts."""
    if meanings and all(isinstance(meaning, Texts) for meaning in meanings):
        return Texts(frozenset().union(*(m.values for m in meanings if isinstance(m, Texts))))
    return meanings[0] if len(set(meanings)) == 1 else None


def _part(item: ast.expr, place: tuple[int, ...]) -> ast.expr | None:
    for number in place:
        if not isinstance(item, ast.Tuple | ast.List) or number >= len(item.elts):
            return None
        if any(isinstance(each, ast.Starred) for each in item.elts):
            return None
        item = item.elts[number]
    return item


def _bindings_in(node: ast.AST) -> Iterator[tuple[str, Binding]]:
    """The names that a node itself binds, without those of its child nodes."""
    match node:
        case ast.Import(names=names):
            for alias in names:
                name = alias.asname or alias.name.partition(".")[0]
                yield name, Binding(Imported(alias.name if alias.asname else name))
        case ast.ImportFrom(module=module, names=names, level=level):
            for alias in names:
                path = None if level else Imported(f"{module}.{alias.name}")
                yield alias.asname or alias.name, Binding(path)
        case ast.FunctionDef(name=name):
            yield name, Binding(Function(node))
        case ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, Binding()
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _targets(target, value=value)
        case ast.AnnAssign(target=target, value=value) if value is not None:
            yield from _targets(target, value=value)
        case ast.NamedExpr(target=target, value=value):
            yield from _targets(target, value=value)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            yield from _targets(target)
        case ast.For(target=target, iter=items) | ast.AsyncFor(target=target, iter=items):
            yield from _targets(target, items_of=items)
        case ast.comprehension(target=target, iter=items):
            yield from _targets(target, items_of=items)
        case ast.withitem(context_expr=value, optional_vars=target) if target is not None:
            # The context managers on the allowlist return themselves.
            yield from _targets(target, value=value)
        case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
            yield name, Binding()
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, Binding()
        case ast.MatchMapping(rest=str(name)):
            yield name, Binding()
        case ast.Global(names=names) | ast.Nonlocal(names=names) | ast.Delete(targets=names):
            for each in names:
                yield each.id if isinstance(each, ast.Name) else str(each), Binding()


def _targets(
    target: ast.expr,
    *,
    value: ast.expr | None = None,
    items_of: ast.expr | None = None,
    place: tuple[int, ...] = (),
) -> Iterator[tuple[str, Binding]]:
    match target:
        case ast.Name(id=name):
            if value is not None:
                value = _part(value, place)
            yield name, Binding(value=value, items_of=items_of, place=place)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            if any(isinstance(part, ast.Starred) for part in parts):
                value = items_of = None
            for number, part in enumerate(parts):
                yield from _targets(part, value=value, items_of=items_of, place=(*place, number))
        case ast.Starred(value=starred):
            yield from _targets(starred)
