"""Invoices."""

from datetime import datetime

from core.db import BillingBase
from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column


class Invoice(BillingBase):
    """An invoice."""

    __tablename__ = "invoices"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("billing.invoices.id"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    number: Mapped[str] = mapped_column(unique=True)
