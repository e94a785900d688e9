"""Products, and a log of changes."""

import enum

from core.db import CatalogBase
from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column


class State(enum.Enum):
    """Whether a product is on sale."""

    draft = "draft"
    live = "live"


class Product(CatalogBase):
    """Something to sell."""

    __tablename__ = "products"
    __table_args__ = (CheckConstraint("price >= 0", name="price"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(unique=True)
    price: Mapped[int] = mapped_column(server_default="0")
    state: Mapped[State]


class Change(CatalogBase):
    """A change, in a schema that its metadata does not name."""

    __tablename__ = "log"
    __table_args__ = {"schema": "audit"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(index=True)
