"""The class that every model derives from."""

from sqlalchemy.orm import DeclarativeBase

from .metadata import metadata as project_metadata


class Base(DeclarativeBase):
    """Derive a model from this in any module under `models/`; migrations find it there."""

    metadata = project_metadata
