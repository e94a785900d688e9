"""The modules of a rendered project, imported by the tests themselves."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from project import Project


@contextmanager
def imported(project: Project) -> Iterator[Callable[[str], ModuleType]]:
    """A function that imports a module by its name inside the package: `migrate.lexer`."""
    sys.path.insert(0, str(project.path / "src"))
    try:
        yield lambda name: import_module(f"{project.package}.{name}")
    finally:
        sys.path.remove(str(project.path / "src"))
        for name in [name for name in sys.modules if name.partition(".")[0] == project.package]:
            del sys.modules[name]
