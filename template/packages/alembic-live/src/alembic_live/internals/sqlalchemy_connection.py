"""A connection whose savepoints a subclass controls, and whose driver another thread runs."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import concurrency

from alembic_live.internals import attribute, require
from alembic_live.internals.sqlalchemy import with_own_pool

LIBRARY = "sqlalchemy"

Kind = TypeVar("Kind", bound=Connection)


class SavepointConnection(Connection):
    """A connection that lets a subclass do something around each savepoint."""

    def create(self, name: str | None = None) -> str:
        """Create a savepoint and return its name. Without a name, SQLAlchemy chooses one."""
        return super()._savepoint_impl(name)

    def release(self, name: str) -> None:
        """Release a savepoint: what happened since it becomes a part of the one below."""
        super()._release_savepoint_impl(name)

    def roll_back(self, name: str) -> None:
        """Roll back to a savepoint, which stays."""
        super()._rollback_to_savepoint_impl(name)

    def unlink(self, name: str) -> None:
        """Let a savepoint end before a later one: SQLAlchemy would go back to it after that one."""
        later: Any = self._nested_transaction
        while later and (earlier := later._previous_nested):
            if earlier._savepoint == name:
                later._previous_nested = earlier._previous_nested
                return
            later = earlier

    def _savepoint_impl(self, name: str | None = None) -> str:
        return self.create(name)

    def _release_savepoint_impl(self, name: str) -> None:
        self.release(name)

    def _rollback_to_savepoint_impl(self, name: str) -> None:
        self.roll_back(name)


async def connected(
    engine: AsyncEngine, kind: Callable[[Engine], Kind]
) -> tuple[AsyncConnection, Kind]:
    """A connection of another class. `AsyncEngine.connect` has no parameter for the class.

    Args:
        engine: the engine.
        kind: the class.
    """
    require(CONNECTION)
    sync = await concurrency.greenlet_spawn(kind, engine.sync_engine)
    return AsyncConnection(engine, sync), sync


def of_own_pool(engine: AsyncEngine) -> AsyncEngine:
    """The same engine with a separate pool."""
    return AsyncEngine(with_own_pool(engine.sync_engine))


def replace_driver(connection: Connection, replacement: Callable[[Any], Any], lock: Any) -> None:
    """Put something else in place of the driver's connection.

    Args:
        connection: a connection of an async engine.
        replacement: makes it from the driver's.
        lock: an async context manager in place of SQLAlchemy's, which belongs to one event loop.
    """
    adapted: Any = connection.connection.dbapi_connection
    adapted._connection = replacement(adapted._connection)
    if hasattr(adapted, "_execute_mutex"):  # SQLAlchemy 2.0 needs none with psycopg
        adapted._execute_mutex = lock


CONNECTION = (
    *(
        attribute(LIBRARY, "sqlalchemy", f"Connection.{name}")
        for name in (
            "_savepoint_impl",
            "_release_savepoint_impl",
            "_rollback_to_savepoint_impl",
        )
    ),
    *(
        attribute(LIBRARY, "sqlalchemy.engine.base", f"NestedTransaction.{name}")
        for name in ("_previous_nested", "_savepoint")
    ),
    *(
        attribute(LIBRARY, "sqlalchemy.connectors.asyncio", f"AsyncAdapt_dbapi_connection.{name}")
        for name in ("_connection", "_execute_mutex")
    ),
    attribute(LIBRARY, "sqlalchemy.util.concurrency", "greenlet_spawn"),
)
