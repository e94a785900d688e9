"""`Base`, the base class of the models."""

import enum
from typing import Any, ClassVar

from sqlalchemy import Enum
from sqlalchemy.orm import DeclarativeBase

from . import metadata as project_metadata


class Base(DeclarativeBase):
    """The base class of the models. For migrations, alembic-live imports every module in `models/`."""

    metadata = project_metadata
    # SQLAlchemy 2.1 creates the type of a Mapped[SomeEnum] in the default schema. This puts it into
    # the schema of the tables.
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        enum.Enum: Enum(enum.Enum, schema=project_metadata.schema)
    }
