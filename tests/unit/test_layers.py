"""The layers of the library: each module imports from those below it only, also inside of functions."""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import alembic_live
import pytest

ROOT = Path(alembic_live.__file__).parent

# Bottom up. What stands beside each other imports nothing from each other.
LAYERS = [
    *(
        "errors",
        "internals",
        "printable",
        "interruption",
        "terminal",
        "keepalive",
        "limits",
        "alembic_ini",
        "hints",
        "host",
        "tls",
        "passwords",
        "address",
        "database_url",
        "values",
        "engines",
    ),
    *("plain_settings", "settings", "setting_places", "project", "names", "models"),
    *("other_models", "formatting", "sessions"),
    *("sql", "history", "postgres", "runtime", "operations", "autogenerate"),
    *("commands", "testing"),
]
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}

MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def layer_of(path: Path) -> str:
    """The folder or the module at the top that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The modules that a file imports, wherever it does, each with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno} has a relative import"
            assert node.module
            if node.module == "alembic_live":
                yield from ((node.lineno, f"alembic_live.{each.name}") for each in node.names)
            else:
                yield node.lineno, node.module


def wrong_imports(path: Path, source: str) -> list[str]:
    """The lines of a file that import from its own layer's neighbours or from above."""
    own = layer_of(path)
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for line, name in imports_in(ast.parse(source))
        if name.startswith("alembic_live.")
        for other in [name.split(".")[1]]
        if other != own and RANKS[other] >= RANKS[own]
    ]


def test_every_module_has_a_layer() -> None:
    assert {layer_of(path) for path in MODULES} == set(RANKS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_from_below(path: Path) -> None:
    assert wrong_imports(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("errors.py", "from alembic_live.project import Project"),
        ("address.py", "def f():\n    import alembic_live.settings"),
        ("runtime/lock.py", "from alembic_live.operations import sql"),
        ("sql/lexer.py", "if TYPE_CHECKING:\n    from alembic_live.history.git import try_git"),
        ("commands/drift.py", "from alembic_live.testing.agreement import x"),
        ("postgres/dump.py", "from alembic_live import runtime"),
    ],
)
def test_an_import_from_above_is_seen(path: str, source: str) -> None:
    assert wrong_imports(ROOT / path, source)
    assert (
        not wrong_imports(ROOT / path, "from alembic_live.errors import X") or path == "errors.py"
    )


def test_the_library_imports_no_project() -> None:
    """What it imports is Python's, its own, or a declared dependency's."""
    # pydantic comes with pydantic_settings, and google.protobuf with postgast.
    allowed = {"alembic_live", "google", "pydantic"}
    project = tomllib.loads((ROOT.parents[1] / "pyproject.toml").read_text())["project"]
    for requirement in (*project["dependencies"], *project["optional-dependencies"]["dev"]):
        name = re.split(r"[^\w-]", requirement)[0].replace("-", "_")
        allowed.add(name.removeprefix("python_"))
    found = {
        name.partition(".")[0]
        for path in [*MODULES, ROOT / "__init__.py"]
        for _, name in imports_in(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found - set(sys.stdlib_module_names) <= allowed


def test_only_commands_need_the_parser() -> None:
    """It is in the extra `dev`, which production does not install."""
    users = {
        path.relative_to(ROOT).parts[:2]
        for path in MODULES
        for _, name in imports_in(ast.parse(path.read_text(encoding="utf-8")))
        if name in ("alembic_live.sql.parser", "postgast")
    }
    assert users == {("commands", "lint"), ("commands", "squash"), ("sql", "parser.py")}


def test_no_file_of_the_library_is_rendered() -> None:
    package = ROOT.parents[1]
    assert not [path for path in package.rglob("*.jinja") if ".venv" not in path.parts]


def test_the_library_has_types() -> None:
    assert (ROOT / "py.typed").exists()


def test_no_two_public_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
