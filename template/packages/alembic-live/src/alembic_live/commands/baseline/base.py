"""The base class of a project's models."""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from alembic.util import CommandError

from alembic_live.models import load_models
from alembic_live.project import Project

ADVICE = "Name it: uv run db baseline --models --base my_service.database:Base"


class Base(NamedTuple):
    """The base class and the module to import it from."""

    module: str
    name: str


def base_named(text: str) -> Base:
    """The base class that `module:Class` names.

    Raises:
        CommandError: there is no such class.
    """
    module, _, name = text.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        found = None
    if not isinstance(found, type) or not hasattr(found, "metadata"):
        raise CommandError(f"--base {text}: there is no such base class. {ADVICE}")
    return Base(module, name)


def base_of(project: Project) -> Base:
    """The class that has the project's first metadata and no table.

    Raises:
        CommandError: there is no such class, or several.
    """
    load_models(project)
    _import_base_module(project)
    found = {
        Base(value.__module__, value.__qualname__)
        for module in list(sys.modules.values())
        for value in list(vars(module).values())
        if _is_base(value, project)
    }
    if len(found) != 1:
        names = ", ".join(f"{base.module}:{base.name}" for base in sorted(found))
        raise CommandError(
            f"The base class of the models is unknown: {names or 'no module has one'}. {ADVICE}"
        )
    return found.pop()


def _is_base(value: Any, project: Project) -> bool:
    return (
        isinstance(value, type)
        and vars(value).get("metadata") is project.metadatas[0]
        and not hasattr(value, "__table__")
    )


def _import_base_module(project: Project) -> None:
    """Import the usual module of the base class: without models no other module imports it yet."""
    for name in project.models:
        module = f"{name.rpartition('.')[0]}.base".lstrip(".")
        if find_spec(module) is not None:
            import_module(module)
