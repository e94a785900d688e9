"""`get_engine()`, the connection pool of the application."""

from functools import cache

from alembic_live import create_application_engine
from sqlalchemy.ext.asyncio import AsyncEngine

from . import project


@cache
def get_engine() -> AsyncEngine:
    """The engine of this process. The first call creates it, so an import needs no database. Each
    event loop has a pool, whose size the DB_POOL_* settings have.

    Call `await get_engine().dispose()` when the application stops.

    Raises:
        ConfigurationError: DB_* settings are missing.
    """
    return create_application_engine(project)
