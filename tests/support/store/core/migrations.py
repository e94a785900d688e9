"""What alembic-live has to know."""

import os
from collections.abc import Callable
from typing import Any

from alembic_live import Project
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from core.db import BillingBase, CatalogBase


def url() -> str:
    """The URL of the database."""
    return os.environ["STORE_DATABASE"]


def engine_with_a_token() -> Engine:
    """An engine whose password is known only when it connects."""
    given = make_url(url())
    engine = create_engine(given.set(drivername="postgresql+psycopg", password="no"))

    @event.listens_for(engine, "do_connect")
    def log_in(_dialect: object, _record: object, _args: object, arguments: dict[str, Any]) -> None:
        arguments["password"] = given.password

    return engine


def async_engine() -> AsyncEngine:
    """An engine of the application's kind."""
    return create_async_engine(make_url(url()).set(drivername="postgresql+asyncpg"))


KINDS: dict[str, dict[str, Callable[[], Any]]] = {
    "url": {"url": url},
    "engine": {"engine": engine_with_a_token},
    "async engine": {"engine": async_engine},
    "alembic.ini": {},
}

project = Project(
    metadata=[CatalogBase.metadata, BillingBase.metadata],
    models=["catalog.tables", "billing.models"],
    **KINDS[os.environ.get("STORE_KIND", "url")],
)
