"""The base classes, each with its metadata."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

CONVENTION = {
    "ix": "%(column_0_label)s_idx",
    "uq": "%(table_name)s_%(column_0_name)s_unique",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_name)s_ref",
    "pk": "%(table_name)s_pk",
}


class CatalogBase(DeclarativeBase):
    """Derive the models of the catalog from this."""

    metadata = MetaData(naming_convention=CONVENTION)


class BillingBase(DeclarativeBase):
    """Derive the models of billing from this."""

    metadata = MetaData(schema="billing", naming_convention=CONVENTION)
