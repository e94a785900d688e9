"""Python modules by their source: what they define, and how it is called."""

from __future__ import annotations

import ast
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from git import sides
from python_imports import imports_of

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef | ast.Assign | ast.AnnAssign


class Parameter(NamedTuple):
    """One parameter of a function."""

    kind: str  # `positional`, `keyword`, `*` or `**`
    name: str
    is_optional: bool


class Modules:
    """The modules in a folder of sources. A file with a conflict defines what both sides define, and
    one that cannot be parsed nothing.
    """

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: the one that is on Python's path.
        """
        self.folder = folder
        self._trees: dict[Path, ast.Module] = {}
        self._defining: dict[str, list[str]] = {}

    def file(self, module: str) -> Path | None:
        """The file of a module."""
        path = self.folder.joinpath(*module.split("."))
        candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
        return next((candidate for candidate in candidates if candidate.is_file()), None)

    def has_module(self, module: str) -> bool:
        """Whether a module is there: a file, or a folder of some."""
        folder = self.folder.joinpath(*module.split("."))
        return self.file(module) is not None or any(folder.rglob("*.py"))

    def that_define(self, name: str) -> list[str]:
        """The modules that define a name."""
        if not self._defining:
            for path in sorted(self.folder.rglob("*.py")):
                parts = path.relative_to(self.folder).with_suffix("").parts
                module = ".".join(parts).removesuffix(".__init__")
                for each in self.definitions(module):
                    self._defining.setdefault(each, []).append(module)
        return self._defining.get(name, [])

    def has(self, module: str, name: str) -> bool:
        """Whether a module gives a name: what it defines or imports, or a module in it."""
        return (
            name in self.definitions(module)
            or name in {each.bound for each in imports_of(self._tree(module))}
            or self.has_module(f"{module}.{name}")
        )

    def definitions(self, module: str) -> dict[str, Definition]:
        """What a module defines at its top level."""
        found: dict[str, Definition] = {}
        for statement in self._tree(module).body:
            match statement:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    found[statement.name] = statement
                case ast.Assign(targets=[ast.Name(id=name)]):
                    found[name] = statement
                case ast.AnnAssign(target=ast.Name(id=name)):
                    found[name] = statement
        return found

    def definition(self, module: str, name: str) -> Definition | None:
        """The definition of a name, in the module or in the one that it is imported from."""
        if name in self.definitions(module):
            return self.definitions(module)[name]
        for each in imports_of(self._tree(module)):
            if each.bound == name and each.name:
                file = self.file(module)
                is_package = file is not None and file.name == "__init__.py"
                source = absolute(each.module, module, is_package)
                return self.definitions(source).get(each.name)
        return None

    def public(self, module: str) -> list[str]:
        """The names that `from module import *` gives."""
        definitions = self.definitions(module)
        match definitions.get("__all__"):
            case ast.Assign(value=ast.List(elts=elements)):
                return [str(each.value) for each in elements if isinstance(each, ast.Constant)]
        return [name for name in definitions if not name.startswith("_")]

    def _tree(self, module: str) -> ast.Module:
        path = self.file(module)
        if path is None:
            return ast.parse("")
        if path not in self._trees:
            self._trees[path] = _parsed(path.read_bytes())
        return self._trees[path]


def _parsed(source: bytes) -> ast.Module:
    tree = ast.parse("")
    for side in dict.fromkeys(sides(source)):
        with suppress(SyntaxError, ValueError):
            tree.body += ast.parse(side).body
    return tree


def absolute(imported: str, module: str, is_package: bool) -> str:
    """The full name of what a module imports, which may be relative."""
    dots = len(imported) - len(imported.lstrip("."))
    if not dots:
        return imported
    parts = module.split(".")
    base = parts[: len(parts) - dots + is_package]
    return ".".join([*base, imported[dots:]]).rstrip(".")


def takes_as_before(old: Definition, new: Definition, *, first: str = "") -> bool:
    """Whether calls of the old definition work with the new one.

    Args:
        old: the old definition.
        new: the new one.
        first: the name of a parameter that the new one has in front of the others.
    """
    if isinstance(old, ast.ClassDef) or isinstance(new, ast.ClassDef):
        return type(old) is type(new)
    if isinstance(old, (ast.Assign, ast.AnnAssign)) or isinstance(new, (ast.Assign, ast.AnnAssign)):
        return not isinstance(old, Function) and not isinstance(new, Function)
    if type(old) is not type(new) or _decorators(old) != _decorators(new):
        return False
    was, now = parameters(old), parameters(new)
    if first:
        if now[:1] != [Parameter("positional", first, False)]:
            return False
        del now[0]
    order = [each.name for each in was if each.kind == "positional"]
    by_name = {each.name: each for each in now}
    return (
        [each.name for each in now if each.kind == "positional"][: len(order)] == order
        and all(
            each.name in by_name
            and by_name[each.name].kind == each.kind
            and (by_name[each.name].is_optional or not each.is_optional)
            for each in was
        )
        and all(each.is_optional for each in now if each.name not in {old.name for old in was})
    )


def parameters(function: Function) -> list[Parameter]:
    """The parameters of a function, in their order."""
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    required = len(positional) - len(args.defaults)
    return [
        *(Parameter("positional", arg.arg, at >= required) for at, arg in enumerate(positional)),
        *([Parameter("*", args.vararg.arg, True)] if args.vararg else []),
        *(
            Parameter("keyword", arg.arg, default is not None)
            for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
        ),
        *([Parameter("**", args.kwarg.arg, True)] if args.kwarg else []),
    ]


def changed_members(old: Definition, new: Definition) -> set[str]:
    """The public members of a class that are gone or take other arguments."""
    if not isinstance(old, ast.ClassDef) or not isinstance(new, ast.ClassDef):
        return set()
    was, now = _members(old), _members(new)
    return {
        name
        for name, member in was.items()
        if not name.startswith("_") and (name not in now or not takes_as_before(member, now[name]))
    }


def _members(class_: ast.ClassDef) -> dict[str, Definition]:
    members: dict[str, Definition] = {}
    for statement in class_.body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                members[statement.name] = statement
            case ast.AnnAssign(target=ast.Name(id=name)):
                members[name] = statement
    return members


def _decorators(function: Function) -> list[str]:
    return [ast.unparse(each) for each in function.decorator_list]
