"""Finds the models: a model that nobody imports would look like a table to be dropped."""

import traceback
from importlib import import_module
from pathlib import Path

from alembic.util import CommandError


def load_models() -> None:
    """Import every module under `database/models/`, in subfolders too, so that the metadata
    knows every table.

    Raises:
        CommandError: a module cannot be imported; the text names it, the place and the reason.
    """
    package = f"{__package__.rpartition('.')[0]}.database.models"
    folder = Path(__file__).parents[1] / "database" / "models"
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join([package, *(part for part in parts if part != "__init__")])
        try:
            import_module(name)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise CommandError(
                f"The models in {path} cannot be loaded, so nothing was compared: their tables "
                f"would look as if they were to be dropped. "
                f"{type(error).__name__} at {place.filename}:{place.lineno}: {error}"
            ) from error
