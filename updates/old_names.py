"""What the package of a service had before an update: who imports it, and where it is today."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml
from modules import Definition, Modules, absolute, changed_members, takes_as_before
from names import OWN
from python_imports import Import, imports_of

SUCCESSORS = Path(__file__).with_name("successors.yml")
LIBRARY = "alembic_live"
PROJECT = "project"  # the first parameter of the library's functions that need the project


class Reference(NamedTuple):
    """A name that a file takes from a module of the package. An empty one is the module itself."""

    module: str
    name: str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.module}{'.' if self.name else ''}{self.name}"


@dataclass
class Replacement:
    """What gives an old name today: imports, and code that comes after them."""

    imports: list[Import]
    code: str = ""


class OldNames:
    """The names of the package before the update."""

    def __init__(
        self, package: str, before: Path, library: Sequence[Path], moves: Mapping[str, str]
    ) -> None:
        """
        Args:
            package: of the service.
            before: the project as the team has committed it.
            library: folders with the library's sources; the first that has a name is asked.
            moves: where files went.
        """
        self.package = package
        self.before = Modules(before / "src")
        self.now = Modules(Path("src"))
        self.library = [Modules(folder) for folder in library]
        self.moves = moves
        text = SUCCESSORS.read_text(encoding="utf-8").replace("{{ package_name }}", package)
        self.successors: dict[str, dict[str, str]] = yaml.safe_load(text)

    def is_gone(self, module: str, name: str) -> bool:
        """Whether the package had a name and no longer has it."""
        if module.partition(".")[0] != self.package or not self.before.has_module(module):
            return False
        if not name:
            return not self.now.has_module(module)
        return self.before.has(module, name) and not self.now.has(module, name)

    def references(self, path: str, text: str) -> list[Reference]:
        """What a Python file imports, and what of these modules it uses, that is gone.

        Raises:
            SyntaxError: it cannot be parsed.
        """
        given: dict[str, str] = {}  # the modules that names of the file lead to
        found: dict[Reference, None] = {}
        nodes = [*ast.walk(ast.parse(text))]
        for node in nodes:
            if isinstance(node, ast.Import):
                for each in node.names:
                    found[Reference(each.name, "", path, node.lineno)] = None
                    top = each.name.partition(".")[0]
                    given[each.asname or top] = each.name if each.asname else top
            elif isinstance(node, ast.ImportFrom):
                source = absolute("." * node.level + (node.module or ""), *_module_of(path))
                for each in node.names:
                    for name in self.before.public(source) if each.name == "*" else [each.name]:
                        taken = self._taken(source, [name])
                        found[Reference(*taken, path, node.lineno)] = None
                        if not taken[1]:
                            given[each.asname or each.name] = taken[0]
        for node in nodes:
            if isinstance(node, ast.Attribute) and (chain := _chain(node)) and chain[0] in given:
                taken = self._taken(given[chain[0]], chain[1:])
                found[Reference(*taken, path, node.lineno)] = None
        return [each for each in found if self.is_gone(each.module, each.name)]

    def mentions(self, path: str, text: str) -> Iterator[Reference]:
        """What a text names that is gone: as Python does, or by the path of its file."""
        form = re.compile(rf"\b{self.package}(?:\.\w+)+|\bsrc/{self.package}(?:/\w+)+")
        for number, line in enumerate(text.splitlines(), start=1):
            for match in form.findall(line):
                parts = match.removeprefix("src/").replace("/", ".").split(".")
                module, name = self._taken(parts[0], parts[1:])
                if self.is_gone(module, name) or self.is_gone(module, ""):
                    yield Reference(module, name, path, number)

    def _taken(self, module: str, names: Sequence[str]) -> tuple[str, str]:
        """The module that a chain of names leads to, and the name that is taken from it."""
        rest = list(names)
        while rest and self.before.has_module(f"{module}.{rest[0]}"):
            if any(rest[0] in side.definitions(module) for side in (self.before, self.now)):
                break  # it is no module
            module = f"{module}.{rest.pop(0)}"
        return module, rest[0] if rest else ""

    def replacement(self, module: str, name: str) -> Replacement | str:
        """What gives an old name today, or in some words why nothing does."""
        if code := self.successors.get(self._old_path(module), {}).get(name):
            tree, lines = ast.parse(code), code.splitlines(keepends=True)
            rest = [
                each for each in tree.body if not isinstance(each, (ast.Import, ast.ImportFrom))
            ]
            first = rest[0].lineno - 1 if rest else len(lines)
            return Replacement([*imports_of(tree)], "".join(lines[first:]))
        found = None if name.startswith("_") else self._found(module, name)
        if found is None:
            return "it has no successor"
        source, new = found
        old = self.before.definition(module, name)
        if old is None or takes_as_before(old, new):
            return Replacement([Import(source, name, "")])
        if takes_as_before(old, new, first=PROJECT):
            imports = [Import("functools", "partial", ""), Import(source, name, f"_{name}")]
            return Replacement(imports, f"{name} = partial(_{name}, _{PROJECT})\n")
        return f"{source}.{name} takes other arguments"

    def today(self, each: Import, path: str) -> Import:
        """The import of today for one of a file before the update, if an import can replace it. The
        module `names.OWN` is the file itself.
        """
        own, is_package = _module_of(path)
        source = own if each.module == OWN else absolute(each.module, own, is_package)
        if not each.name or each.alias or not self.is_gone(source, each.name):
            return each
        found = self.replacement(source, each.name)
        return each if isinstance(found, str) or found.code else found.imports[0]

    def changed_uses(self, module: str, name: str, path: str, text: str) -> Iterator[Reference]:
        """Where a file that imports a class uses members of it that have changed."""
        old, found = self.before.definition(module, name), self._found(module, name)
        members = changed_members(old, found[1]) if old and found else set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and node.attr in members:
                yield Reference(name, node.attr, path, node.lineno)

    def _old_path(self, module: str) -> str:
        file = self.before.file(module)
        return file.relative_to(self.before.folder.parent).as_posix() if file else ""

    def _found(self, module: str, name: str) -> tuple[str, Definition] | None:
        """The module to import a name from today, and its definition there."""
        to = self.moves.get(self._old_path(module), "").partition("/src/")[2]
        successor = to.removesuffix(".py").removesuffix("/__init__").strip("/").replace("/", ".")
        for library in self.library:
            where = library.that_define(name)
            best = [each for each in where if f"{each}.".startswith(f"{successor}.")]
            if len(best) != 1:
                best = where
            if len(best) == 1:
                [source] = best
                definition = library.definitions(source)[name]
                faces = (LIBRARY, source.rpartition(".")[0])
                public = (face for face in faces if name in library.public(face))
                return next(public, source), definition
        return None


def _module_of(path: str) -> tuple[str, bool]:
    """The name of the module in a file, and whether it is a package's."""
    parts = Path(path).with_suffix("").parts
    name = ".".join(parts[1:] if parts[0] == "src" else parts)
    return name.removesuffix(".__init__"), parts[-1] == "__init__"


def _chain(node: ast.expr) -> list[str]:
    """`a.b.c` as its names; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Attribute(value=value, attr=name):
            return [*inner, name] if (inner := _chain(value)) else []
    return []
