"""Models of things and their owners, for tests that change them."""

MODELS = """
import enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Owner(Base):
    __tablename__ = "owners"

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)


class Thing(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    name: Mapped[str]
    size: Mapped[int]
    owner_id: Mapped[int]
"""
