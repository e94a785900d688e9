"""Models where nobody looks for them."""

import ast

from ..models import PACKAGE


def models_that_are_not_found() -> list[str]:
    """The classes, each with its place, that name a table and are not under `database/models/`."""
    return [
        f"{path.relative_to(PACKAGE.parent)}:{node.lineno} {node.name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not path.is_relative_to(PACKAGE / "database" / "models")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and _names_a_table(node)
    ]


def _names_a_table(node: ast.ClassDef) -> bool:
    targets = [
        target
        for statement in node.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (
            statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        )
    ]
    return any(isinstance(target, ast.Name) and target.id == "__tablename__" for target in targets)
