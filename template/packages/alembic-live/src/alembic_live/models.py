"""Imports the models: a table whose model nobody imports looks like one to drop."""

import re
import traceback
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import CheckConstraint, MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import NoReferenceError
from sqlalchemy.sql.schema import SchemaItem

from alembic_live.errors import ConfigurationError
from alembic_live.internals.alembic import version_folders
from alembic_live.internals.sqlalchemy import is_created
from alembic_live.names import shorten_names
from alembic_live.project import Project

POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


def load_models(project: Project) -> None:
    """Import every module of the project's models, so that the metadata knows every table. Names
    that are too long become those that the database has.

    Raises:
        CommandError: a module cannot be imported, a foreign key refers to a table that no model
            has, or a name is too long; the text names the place and the reason.
    """
    history = history_folders(project)
    for name in project.models:
        _import(name)
        for found in model_modules(name, without=history):
            _import(found)
    try:
        for metadata in project.metadatas:
            for table in metadata.tables.values():
                assert all(key.column is not None for key in table.foreign_keys)
    except NoReferenceError as error:
        raise CommandError(
            f"A foreign key in the models refers to a table that does not exist, so nothing was "
            f"compared: {error}"
        ) from error
    for metadata in project.metadatas:
        _forget_absent_constraints(metadata)
        shorten_names(metadata)


def _forget_absent_constraints(metadata: MetaData) -> None:
    """Remove the constraints that SQLAlchemy does not create on Postgres, such as that of
    `Boolean(create_constraint=True)`. A comparison would add them.
    """
    for table in metadata.tables.values():
        for constraint in list(table.constraints):
            if isinstance(constraint, CheckConstraint) and not is_created(constraint, POSTGRESQL):
                table.constraints.discard(constraint)


def is_view(table: SchemaItem) -> bool:
    """Whether a table of the models is a view. Revisions create views with op.execute."""
    return bool(getattr(table, "is_view", False) or table.info.get("is_view"))


def history_folders(project: Project) -> list[Path]:
    """The folders of env.py and of the revisions. They may be in the package of the models, and env.py
    runs a command when it is imported.
    """
    try:
        script = project.script
    except (ConfigurationError, CommandError):  # a program's Project, without an alembic.ini
        return []
    return [folder.resolve() for folder in (Path(script.dir), *version_folders(script))]


def model_modules(name: str, *, without: Collection[Path] = ()) -> Iterator[str]:
    """The modules in a package, at any depth; none for a module.

    Args:
        name: the package or module.
        without: folders whose modules are no models.
    """
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return
    for folder in spec.submodule_search_locations:
        for path in sorted(Path(folder).rglob("*.py")):
            if any(path.resolve().is_relative_to(other) for other in without):
                continue
            parts = path.relative_to(folder).with_suffix("").parts
            if parts != ("__init__",):
                yield ".".join([name, *(part for part in parts if part != "__init__")])


def _import(name: str) -> None:
    try:
        with _warnings_of_others_shown(name):
            import_module(name)
    except (Exception, SystemExit) as error:
        raise CommandError(
            f"The models in {name} cannot be loaded, so nothing was compared: their tables would "
            f"look as if they had to be dropped. {type(error).__name__} at "
            f"{_place(error, name)}: {error}"
        ) from error


@contextmanager
def _warnings_of_others_shown(name: str) -> Iterator[None]:
    """Show the warnings of other packages, also if pytest makes errors of warnings. Those of the
    models' package stay errors.
    """
    own = re.escape(name.partition(".")[0])
    with warnings.catch_warnings():
        if any(each[0] == "error" for each in warnings.filters):
            warnings.filterwarnings("default", module=rf"(?!{own}(\.|$))")
        yield


def _place(error: BaseException, name: str) -> str:
    """file:line in the project's code, or in the text that is not Python."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    own = folder_of(name.partition(".")[0])
    places = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if own and Path(frame.filename).is_relative_to(own)
    ]
    return places[-1] if places else name


def folder_of(package: str) -> Path | None:
    """The folder of a package; None for a module."""
    spec = find_spec(package)
    locations = list((spec and spec.submodule_search_locations) or ())
    return Path(locations[0]) if locations else None
