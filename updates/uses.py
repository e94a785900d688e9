"""Uses of what an update has taken away or changed, in the files of a team: for a person to look at."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from modules import Modules
from names import unbound
from old_names import OldNames, Reference

# What else works in another way since 2.0.0: a form, where it matters, and what to write.
CHANGES = (
    (
        r"address\.url\(|address\.connect_args\(",
        "",
        "the driver is part of the address: `address.url`, `address.connect_args(settings)`",
    ),
    (r"settings\.migration_driver\b", "", "it is `settings.migration_address.driver`"),
    (
        r"\b(run_command|upgrade_to_head)\((?!.*connection=)",
        "tests/",
        "it acts on the fixture `database`, also in a test with `empty_database` or `copied_database`. "
        "For these: `run_command(…, connection=make_engine(empty_database))`",
    ),
)

_MAIN = r"-m\s+({package}(?:\.\w+)+)"


def changed_uses(names: OldNames, path: str, text: str, found: Iterable[Reference]) -> list[str]:
    """Where a Python file uses what works in another way.

    Args:
        names: of before the update.
        path: the path of the file.
        text: of the file.
        found: what it imports by old names.
    """
    uses = [
        f"{use}: it is gone, or takes other arguments"
        for each in found
        if each.name
        for use in names.changed_uses(each.module, each.name, path, text)
    ]
    places = {use.split(": ")[0] for use in uses}
    for number, line in enumerate(text.splitlines(), start=1):
        for form, folder, sentence in CHANGES:
            if (
                path.startswith(folder)
                and re.search(form, line)
                and f"{path}:{number}" not in places
            ):
                uses.append(f"{path}:{number}: {line.strip()}: {sentence}")
    return [*dict.fromkeys(uses)]


def mentions(names: OldNames, before: Path, path: str) -> Iterator[Reference]:
    """Where a file names what is gone: in its lines, or in its own Python text such as the
    target of a patch. What the version before has rendered is no mention.
    """
    try:
        text = Path(path).read_text("utf-8")
        lines = text.splitlines()
        if path.endswith(".py"):
            lines = _constants(text)
    except (SyntaxError, UnicodeDecodeError):
        return
    rendered = before / path
    known = {*rendered.read_text("utf-8").splitlines()} if rendered.is_file() else set()
    yield from names.mentions(path, "\n".join("" if line in known else line for line in lines))


def programs(names: OldNames, path: str) -> Iterator[Reference]:
    """Where a file runs a package of the service: `python -m my_service.migrate`."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(lines, start=1):
        for module in re.findall(_MAIN.format(package=names.package), line):
            if names.is_gone(f"{module}.__main__", "main"):
                yield Reference(f"{module}.__main__", "main", path, number)


def lost_fixtures(before: Path, library: Modules, files: Mapping[str, str]) -> list[str]:
    """Where tests ask for a fixture that tests/conftest.py had and nothing has any more.

    Args:
        before: the project as the version before rendered it.
        library: which has fixtures too.
        files: the texts of the project's Python files by their paths.
    """
    conftest = Path("tests", "conftest.py").as_posix()
    old = before / conftest
    lost = {*_fixtures(old.read_text("utf-8"))} if old.is_file() else set()
    lost -= {*library.definitions("alembic_live.testing.plugin")}
    lost -= {
        name
        for path, text in files.items()
        if path.startswith("tests/")
        for name in _fixtures(text)
    }
    return [
        f"{path}:{node.lineno}: {argument.arg}"
        for path, text in files.items()
        if path.startswith("tests/")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.arg in lost and _is_for_pytest(node)
    ]


def unknown_names(path: str, text: str) -> list[str]:
    """What a file of the library uses after a merge and does not have: a relative import leads to
    the service, which the library does not know.
    """
    try:
        relative = [
            f"{path}:{node.lineno}: from {'.' * node.level}{node.module or ''} import …"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ImportFrom) and node.level
        ]
        return relative + [f"{path}: {name}" for name in sorted(unbound(text))]
    except SyntaxError:
        return []


def _constants(source: str) -> list[str]:
    """The lines of a Python file, each empty but for a dotted name that is a whole text."""
    lines = [""] * len(source.splitlines())
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)) if re.fullmatch(r"[\w.:]+", text):
                lines[node.lineno - 1] += f" {text}"
    return lines


def _fixtures(text: str) -> Iterator[str]:
    """The fixtures that a file defines."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_fixture(node):
            yield node.name


def _is_fixture(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("fixture" in ast.unparse(each) for each in function.decorator_list)


def _is_for_pytest(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return function.name.startswith("test") or _is_fixture(function)
