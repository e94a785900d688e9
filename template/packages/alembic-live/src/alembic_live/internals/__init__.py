"""Undocumented parts of other libraries that alembic-live relies on.

Each module is named after a library. Each part is checked before use: those of `upgrade` at its
start, the others when a command needs them. If one is missing, the command fails; it never runs
without its lock or limits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from typing import Any

from alembic_live.errors import IncompatibleLibraryError


@dataclass(frozen=True, slots=True)
class Internal:
    """An undocumented part of a library.

    Attributes:
        library: the distribution that has the part.
        name: the name of the part, for messages.
        is_there: a function that returns whether the library has the part in the expected form. An
            error that it raises counts as no.
    """

    library: str
    name: str
    is_there: Callable[[], object]


def attribute(library: str, module: str, name: str) -> Internal:
    """A function, a class, or an attribute of one, by its name in a module."""

    def is_there() -> bool:
        reduce(getattr, name.split("."), import_module(module))
        return True

    return Internal(library, f"{module}.{name}", is_there)


def require(internals: Iterable[Internal]) -> None:
    """
    Raises:
        IncompatibleLibraryError: a part is missing or has another form; the text names it and the
            versions.
    """
    for internal in internals:
        try:
            is_there = internal.is_there()
        except Exception as error:
            raise absent(internal.library, internal.name) from error
        if not is_there:
            raise absent(internal.library, internal.name)


def absent(library: str, name: str) -> IncompatibleLibraryError:
    """The error for a part that is missing or has another form."""
    return IncompatibleLibraryError(
        f"alembic-live {_version('alembic-live')} needs {name}, which {library} does not document. "
        f"{library} {_version(library)} does not have it, or has changed it. Nothing was done. Install "
        f"an older release of {library}, or a newer one of alembic-live."
    )


def imported(library: str, module: str, *names: str) -> tuple[Any, ...]:
    """The undocumented parts of a module, by their names.

    Raises:
        IncompatibleLibraryError: one is missing.
    """
    require(attribute(library, module, name) for name in names)
    return tuple(getattr(import_module(module), name) for name in names)


def _version(library: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return version(library)
    except PackageNotFoundError:
        return "of an unknown version"
