"""Only the modules of `internals` use undocumented names of other libraries."""

import ast
from collections.abc import Iterator
from pathlib import Path

import alembic_live
import pytest
from alembic_live import internals

SOURCE = Path(alembic_live.__file__).parent

PRIVATE = {
    "alembic.autogenerate.render",
    "alembic.script.revision",
    "alembic.util.langhelpers",
    "alembic.util.messaging",
    "sqlalchemy.util",
    "sqlalchemy.engine.default",
    "asyncpg",
    "sqlacodegen",
}
# What the documentation has of modules that it does not have as a whole.
PUBLIC = {
    "alembic.runtime.migration": {"MigrationContext"},
    "alembic.util": {"CommandError", "DispatchPriority", "PriorityDispatchResult", "rev_id"},
}
# Modules where a driver is imported by its public name.
MAY_IMPORT_ASYNCPG = {"runtime/fast_path.py"}


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCE.rglob("*.py") if path.parent.name != "internals"],
    ids=lambda path: str(path.relative_to(SOURCE)),
)
def test_what_is_undocumented_is_used_in_internals_alone(path: Path) -> None:
    name = path.relative_to(SOURCE).as_posix()
    found = [
        use
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for use in undocumented(node)
        if not (use == "asyncpg" and name in MAY_IMPORT_ASYNCPG)
    ]
    assert found == []


def undocumented(node: ast.AST) -> Iterator[str]:
    """Uses of private names, and of what is not in a documentation."""
    match node:
        case ast.Import(names=names):
            yield from (each.name for each in names if is_private(each.name))
        case ast.ImportFrom(module=str(module), names=names):
            if is_private(module):
                yield module
            for each in names:
                if each.name not in PUBLIC.get(module, {each.name}) or is_underscored(each.name):
                    yield f"{module}.{each.name}"
        case ast.Attribute(value=value, attr=attr) if is_underscored(attr):
            owner = value.id if isinstance(value, ast.Name) else ""
            if owner not in ("self", "cls", "os", "sys", "project") and attr not in NAMED_TUPLE:
                yield attr
        case ast.Attribute(attr="opts" | "loaded_dbapi" | "render_op_text" as attr):
            yield attr


NAMED_TUPLE = {"_asdict", "_fields", "_mapping", "_replace"}


def is_private(module: str) -> bool:
    parts = module.split(".")
    names = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return bool(names & PRIVATE) or any(map(is_underscored, parts))


def is_underscored(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_the_package_itself_imports_none_of_the_libraries() -> None:
    tree = ast.parse(Path(internals.__file__ or "").read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [node for node in top if is_private(getattr(node, "module", "") or "")]
