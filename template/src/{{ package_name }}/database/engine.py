"""The application's connection pool."""

from functools import cache

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ..config import settings
from .keepalive import watch_clients


@cache
def get_engine() -> AsyncEngine:
    """The one engine of this process; made on first use, so importing needs no database.

    `await get_engine().dispose()` when the application stops.

    Raises:
        ConfigurationError: DB_* settings are missing.
    """
    address, driver = settings.address, settings.DB_DRIVER_ASYNC
    pooled = settings.DB_POOLER == "transaction"
    engine = create_async_engine(
        address.url(driver),
        connect_args=address.connect_args(
            driver,
            {"application_name": __name__.partition(".")[0]},
            pooled=pooled,
        ),
        pool_size=5,
        max_overflow=10,
        pool_timeout=10,  # seconds to wait for a connection before saying that none is free
        pool_recycle=1800,  # seconds; cheaper than a ping per checkout (pool_pre_ping)
    )
    if not pooled:
        watch_clients(engine.sync_engine)
    return engine
