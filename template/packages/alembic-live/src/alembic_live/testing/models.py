"""Models that migrations do not import."""

import ast
from importlib.util import find_spec
from pathlib import Path

from alembic_live.models import folder_of, model_modules
from alembic_live.project import Project


def models_not_imported(project: Project) -> list[str]:
    """The classes with a `__tablename__` outside the project's model modules, as `file:line name`.
    Only the packages that contain the model modules are searched.
    """
    imported = {
        _file_of(module) for name in project.models for module in (name, *model_modules(name))
    }
    return [
        f"{project.relative(path)}:{node.lineno} {node.name}"
        for folder in sorted(
            {folder_of(name.partition(".")[0]) or Path() for name in project.models}
        )
        for path in sorted(folder.rglob("*.py"))
        if path not in imported
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and _names_a_table(node)
    ]


def _file_of(module: str) -> Path | None:
    spec = find_spec(module)
    return Path(spec.origin) if spec and spec.origin else None


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
