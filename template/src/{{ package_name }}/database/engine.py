"""The application's connection pool."""

from functools import cache
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ..config import settings

# Behind a pooler in transaction mode the next transaction may meet another session, in which
# what was prepared in this one is not there, or is something else.
_WITHOUT_PREPARED_STATEMENTS: dict[str, dict[str, Any]] = {
    "asyncpg": {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"__asyncpg_{uuid4()}__",
    },
    "psycopg": {"prepare_threshold": None},
}


@cache
def get_engine() -> AsyncEngine:
    """The one engine of this process; made on first use, so importing needs no database.

    `await get_engine().dispose()` when the application stops.

    Raises:
        ConfigurationError: DB_* settings are missing.
    """
    address, driver = settings.address, settings.DB_DRIVER_ASYNC
    return create_async_engine(
        address.url(driver),
        connect_args={
            **address.connect_args(driver, application_name=__name__.partition(".")[0]),
            **(_WITHOUT_PREPARED_STATEMENTS[driver] if settings.DB_POOLER else {}),
        },
        pool_size=5,
        max_overflow=10,
        pool_timeout=10,  # seconds to wait for a connection before saying that none is free
        pool_recycle=1800,  # seconds; cheaper than a ping per checkout (pool_pre_ping)
    )
