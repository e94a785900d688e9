"""Finds the models: a model that nobody imports would look like a table to be dropped."""

import traceback
from importlib import import_module
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.exc import NoReferenceError

from ..database.metadata import metadata

PACKAGE = Path(__file__).parents[1]


def load_models() -> None:
    """Import every module under `database/models/`, in subfolders too, so that the metadata
    knows every table.

    Raises:
        CommandError: a module cannot be imported, or a foreign key refers to no table; the text
            names the place and the reason.
    """
    package = f"{__package__.rpartition('.')[0]}.database.models"
    folder = PACKAGE / "database" / "models"
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join([package, *(part for part in parts if part != "__init__")])
        try:
            import_module(name)
        except (Exception, SystemExit) as error:
            raise CommandError(
                f"The models in {path} cannot be loaded, so nothing was compared: their tables "
                f"would look as if they were to be dropped. "
                f"{type(error).__name__} at {_place(error) or path}: {error}"
            ) from error
    try:
        for table in metadata.tables.values():
            assert all(key.column is not None for key in table.foreign_keys)
    except NoReferenceError as error:
        raise CommandError(
            f"A foreign key in the models leads nowhere, so nothing was compared: {error}"
        ) from error


def _place(error: BaseException) -> str | None:
    """file:line in the project's own code, or in the text that is no Python."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    places = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and Path(frame.filename).is_relative_to(PACKAGE)
    ]
    return places[-1] if places else None
