"""Models that no revision concerns: not imported, or on another MetaData."""

import ast
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from sqlalchemy import MetaData, Table

from alembic_live.models import folder_of, history_folders, is_view, model_modules
from alembic_live.project import Project

INSTALLED = {"site-packages", "dist-packages"}


def left_out_models(project: Project) -> list[str]:
    """A sentence for each way in which models are left out; empty if no model is. The models must be
    loaded.

    Models in `Project(other_models=…)` do not count, and neither do those of installed libraries: a
    library has its tables where its user wants them.
    """
    sentences = []
    if missing := models_not_imported(project):
        sentences.append(
            f"{', '.join(missing)}: these models are outside the modules in Project(models=…), so no "
            "revision creates their tables. Move them, or add their module to Project(models=…)."
        )
    if others := models_on_other_metadata(project):
        places = ", ".join(f"{model} ({metadata})" for model, metadata in others.items())
        needed = ", ".join(dict.fromkeys(others.values()))
        sentences.append(
            "The tables of these models are in a MetaData that is not in Project(metadata=…), so no "
            f"revision creates them: {places}. Add it: Project(metadata=[…, {needed}])."
        )
    if sentences:
        sentences.append(
            "If another database has the tables, name the module: Project(other_models=…)."
        )
    return sentences


def models_not_imported(project: Project) -> list[str]:
    """The classes with a table outside the project's model modules, as `file:line name`. Only the
    packages that contain the model modules are searched.
    """
    named = (*project.models, *project.other_models)
    history = history_folders(project)  # a revision may have models, to change rows with
    imported = {_file_of(module) for name in named for module in (name, *model_modules(name))}
    folders = {folder_of(name.partition(".")[0]) for name in project.models} - {None}
    return [
        f"{project.relative(path)}:{node.lineno} {node.name}"
        for folder in sorted(map(Path, filter(None, folders)))
        for path in sorted(folder.rglob("*.py"))
        if path not in imported and not any(path.resolve().is_relative_to(each) for each in history)
        for node in _classes_in(path)
        if _has_a_table(node)
    ]


def models_on_other_metadata(project: Project) -> dict[str, str]:
    """The mapped classes whose table is in none of the project's metadata, each with the metadata
    that it is in, as Python: `{"billing.models.Invoice": "billing.base.Base.metadata"}`.

    The classes are those of the loaded modules in the packages of the models and in the project's
    folder. A second class for a table of the project is none of them.
    """
    if "sqlalchemy.orm" not in sys.modules:
        return {}
    from sqlalchemy.orm import class_mapper
    from sqlalchemy.orm.exc import UnmappedClassError

    known = {
        (table.schema, table.name)
        for metadata in project.metadatas
        for table in metadata.tables.values()
    }
    found = {}
    for module in _own_modules(project):
        for value in list(vars(module).values()):
            if not isinstance(value, type) or value.__module__ != module.__name__:
                continue
            try:
                tables = class_mapper(value, configure=False).tables
            except UnmappedClassError:
                continue
            for table in tables:
                if (
                    isinstance(table, Table)
                    and table.metadata not in project.metadatas
                    and (table.schema, table.name) not in known
                    and not is_view(table)
                ):
                    name = f"{module.__name__}.{value.__qualname__}"
                    found[name] = _metadata_in_python(value, table.metadata)
    return found


def _own_modules(project: Project) -> list[ModuleType]:
    packages = {name.partition(".")[0] for name in project.models}
    folder = project.folder
    return [
        module
        for name, module in sorted(sys.modules.items())
        if not any(name == other or name.startswith(f"{other}.") for other in project.other_models)
        and (name.partition(".")[0] in packages or _is_in(folder, module))
    ]


def _is_in(folder: Path, module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not Path(file).is_relative_to(folder):
        return False
    return not INSTALLED & set(Path(file).parts)


def _metadata_in_python(model: type, metadata: MetaData) -> str:
    """An expression that is the metadata: that of the base class, or a name in a module."""
    for base in reversed(model.__mro__):
        if vars(base).get("metadata") is metadata and base is not model:
            return f"{base.__module__}.{base.__qualname__}.metadata"
    for name, value in vars(sys.modules[model.__module__]).items():
        if value is metadata:
            return f"{model.__module__}.{name}"
    return f"{model.__module__}.{model.__qualname__}.__table__.metadata"


def _file_of(module: str) -> Path | None:
    spec = find_spec(module)
    return Path(spec.origin) if spec and spec.origin else None


def _classes_in(path: Path) -> Iterator[ast.ClassDef]:
    source = path.read_text(encoding="utf-8")
    if "__table" in source or "table=True" in source.replace(" ", ""):
        yield from (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef))


def _has_a_table(node: ast.ClassDef) -> bool:
    """Whether a class names its table, or is one of SQLModel with `table=True`."""
    if any(
        keyword.arg == "table" and getattr(keyword.value, "value", None) is True
        for keyword in node.keywords
    ):
        return True
    targets = [
        target
        for statement in node.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (
            statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        )
    ]
    return any(
        isinstance(target, ast.Name) and target.id in ("__tablename__", "__table__")
        for target in targets
    )
