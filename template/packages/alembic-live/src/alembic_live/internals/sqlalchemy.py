"""What is used of SQLAlchemy though its documentation does not have it."""

from collections.abc import Awaitable, Callable, Coroutine
from copy import copy
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, util
from sqlalchemy.exc import DBAPIError

from alembic_live.internals import attribute

LIBRARY = "sqlalchemy"

Result = TypeVar("Result")


def in_greenlet(work: Callable[[], Result]) -> Coroutine[Any, Any, Result]:
    """A coroutine that runs synchronous work on an async driver. The public way to it,
    `AsyncConnection.run_sync`, imports the ORM, which takes longer than a migration.
    """
    return util.greenlet_spawn(work)


def wait_for(awaitable: Awaitable[Result]) -> Result:
    """Wait in work that runs `in_greenlet`, and leave the event loop free meanwhile."""
    return util.await_only(awaitable)


def with_own_pool(engine: Engine) -> Engine:
    """The same engine with a separate pool: a connection belongs to one event loop, and the other
    pool may have none to give. `create_engine` would need arguments that the engine does not tell.
    """
    own = copy(engine)
    own.pool = engine.pool.recreate()
    return own


def driver_error(connection: Connection) -> type[Exception]:
    """The base of the errors of the driver, for those that SQLAlchemy passes on as they are."""
    error: type[Exception] = connection.dialect.loaded_dbapi.Error
    return error


def connecting_errors(engine: Engine) -> tuple[type[Exception], ...]:
    """The errors that an engine raises when it cannot connect, for `except`. SQLAlchemy 2.0 passes
    asyncpg's on as they are, 2.1 does not.
    """
    common = (DBAPIError, ImportError, OSError, UnicodeError)
    if engine.dialect.driver != "asyncpg":
        return common
    module: Any = engine.dialect.loaded_dbapi.asyncpg
    return (*common, module.PostgresError, module.InterfaceError)


MIGRATION = (
    attribute(LIBRARY, "sqlalchemy.util", "greenlet_spawn"),
    attribute(LIBRARY, "sqlalchemy.util", "await_only"),
    attribute(LIBRARY, "sqlalchemy.engine.default", "DefaultDialect.loaded_dbapi"),
    attribute(LIBRARY, "sqlalchemy.pool", "Pool.recreate"),
)
