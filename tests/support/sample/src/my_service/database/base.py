"""The class that every model derives from."""

import enum
from typing import Any, ClassVar

from sqlalchemy import Enum
from sqlalchemy.orm import DeclarativeBase

from . import metadata as project_metadata


class Base(DeclarativeBase):
    """Derive a model from this in any module under `models/`: migrations find it there."""

    metadata = project_metadata
    # A Mapped[SomeEnum] becomes a native type in the schema of the tables.
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        enum.Enum: Enum(enum.Enum, schema=project_metadata.schema)
    }
