"""Modules that go on giving what files of a project import by names from before an update.

Revisions import operations from the package of their service, where these were before 2.0.0, and so
may the team's modules and tests. They are not edited: the update writes what they need, and only that.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from old_names import PROJECT, OldNames, Reference, Replacement
from python_imports import WIDTH, Import, order_of_name, with_imports

DOCSTRING = '''\
"""Names that this project imports from here and that are elsewhere now.

The file is yours: delete it when nothing imports it.
"""
'''
INIT = '"""Modules with names from before 2.0.0. Delete the folder when nothing imports them."""\n'

LOCATED = (
    f'_{PROJECT} = {PROJECT}.located(Path(__file__).resolve().parents[{{root}}] / "alembic.ini")'
)

# An import of the module `database.metadata` sets the attribute `metadata` of its package.
UNHIDDEN = """
# `{name}` is a module too, for imports from before 2.0.0. Imported here, it does not hide the name
# above when something else imports it later.
from .{name} import {name} as {name}  # noqa: E402
"""


class Reexports:
    """The modules that an update writes.

    Attributes:
        written: each file, and the files that need it.
        missing: what is imported and has no successor, with its places.
    """

    def __init__(self, names: OldNames) -> None:
        self.names = names
        self.written: dict[str, list[str]] = {}
        self.missing: list[str] = []

    def write(self, references: Iterable[Reference]) -> None:
        """Write what some files need."""
        wanted: dict[str, dict[str, list[Reference]]] = {}
        for each in references:
            wanted.setdefault(each.module, {}).setdefault(each.name, []).append(each)
        for module in sorted(wanted, reverse=True):  # what is in a package before the package
            found: dict[str, Replacement] = {}
            for name, places in wanted[module].items():
                replacement = self.names.replacement(module, name) if name else ""
                if isinstance(replacement, Replacement):
                    found[name] = replacement
                elif name:
                    self.missing += [f"{place}: {replacement}" for place in places]
            is_only_imported = set(wanted[module]) == {""} and not self.names.now.has_module(module)
            if found or is_only_imported:
                path = self._write(module, found)
                places = [place for each in wanted[module].values() for place in each]
                self.written[path.as_posix()] = [*dict.fromkeys(place.path for place in places)]

    def _write(self, module: str, found: dict[str, Replacement]) -> Path:
        path = self.names.now.file(module)
        if path is None:
            path = self._new_path(module)
            text, is_new = DOCSTRING, True
        else:
            text, is_new = path.read_text("utf-8"), False
        _write(path, _source(path, text, found, self.names.package, is_new=is_new))
        parent, _, name = module.rpartition(".")
        package = self.names.now.file(parent)
        if package and name in self.names.now.definitions(parent):
            _write(package, package.read_text("utf-8") + UNHIDDEN.format(name=name))
        return path

    def _new_path(self, module: str) -> Path:
        """The file for a module. The packages that it is in are made."""
        folder = self.names.now.folder.joinpath(*module.split("."))
        path = folder / "__init__.py" if folder.is_dir() else folder.with_name(f"{folder.name}.py")
        for above in path.parents:
            if above == self.names.now.folder:
                break
            init = above / "__init__.py"
            if not init.exists() and init != path:
                _write(init, INIT)
        return path


def _source(
    path: Path, text: str, found: dict[str, Replacement], package: str, *, is_new: bool
) -> str:
    """The text of a module with more names."""
    imports = [
        # Type checkers have to see that it is for others, too.
        each if is_new or each.bound != name else each._replace(alias=name)
        for name, replacement in found.items()
        for each in replacement.imports
    ]
    code = [replacement.code.strip("\n") for replacement in found.values() if replacement.code]
    if any(f"_{PROJECT}" in each for each in code):
        imports += [Import("pathlib", "Path", ""), Import(f"{package}.database", PROJECT, "")]
        code.insert(0, LOCATED.format(root=len(path.parts) - 1))
    text = with_imports(text, imports, package).rstrip("\n")
    if is_new and found:
        text += f"\n\n{_all_of(found)}"
    for each in code:
        text += ("\n\n\n" if "def " in each else "\n\n") + each
    return f"{text}\n"


def _all_of(names: Iterable[str]) -> str:
    sorted_names = [f'"{name}"' for name in sorted(names, key=order_of_name)]
    line = f"__all__ = [{', '.join(sorted_names)}]"
    if len(line) <= WIDTH:
        return line
    return "\n".join(["__all__ = [", *(f"    {name}," for name in sorted_names), "]"])


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
