"""The transaction of a test: all sessions share it, and it is rolled back."""

import asyncio
import warnings
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    suppress,
)
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from alembic_live.internals.sqlalchemy_connection import connected, of_own_pool, replace_driver
from alembic_live.testing.committing import Factory, bound_to
from alembic_live.testing.elsewhere import AnyLoopsLock, Elsewhere, LoopThread, running_loop
from alembic_live.testing.outlived import TasksOfTest, watch
from alembic_live.testing.shared_connection import SharedConnection, SharedTransactionWarning

LEFT_OPEN = (
    "A session was still open at the end of this test. It was rolled back. Await the task that uses "
    "it, or close it; a fixture that yields a session has to request `db`."
)

_engines = WeakKeyDictionary[Engine, AsyncEngine]()  # those of the thread


@cache
def _thread() -> LoopThread:
    """The thread that all shared connections live in."""
    return LoopThread()


def close() -> None:
    """Close the shared connections, and end their thread."""
    for engine in _engines.values():
        _thread().wait(engine.dispose())
    _engines.clear()
    _thread().stop()
    _thread.cache_clear()


class RolledBack(
    AbstractContextManager[AsyncSession, None], AbstractAsyncContextManager[AsyncSession, None]
):
    """A block in which all sessions share a transaction, which is rolled back at its end.

    It is for `with` and for `async with`. Sessions in it may belong to any event loop and thread.
    """

    def __init__(self, engine: AsyncEngine, *factories: Factory) -> None:
        """
        Args:
            engine: the engine.
            factories: of sessions. The first one creates the session of the block.
        """
        self._engine, self._factories = engine, factories
        self._tasks = TasksOfTest()
        self._block = ExitStack()

    def __enter__(self) -> AsyncSession:
        return self._enter(*_thread().wait(self._begin()))

    def __exit__(self, *_error: object) -> None:
        with self._block:
            _thread().wait(self._end())

    async def __aenter__(self) -> AsyncSession:
        running_loop()
        self._tasks.note()
        return self._enter(*await _thread().result(self._begin()))

    async def __aexit__(self, *_error: object) -> None:
        with self._block:
            await _thread().result(self._end())

    async def _begin(self) -> tuple[AsyncConnection, SharedConnection]:
        """In the thread: a connection in a transaction."""
        engine = _engines.get(self._engine.sync_engine)
        if engine is None:
            engine = _engines[self._engine.sync_engine] = of_own_pool(self._engine)
            watch(self._engine)
        with suppress(DBAPIError):  # the server has closed it since the last test
            return await _begun(engine)
        return await _begun(engine)

    def _enter(self, connection: AsyncConnection, shared: SharedConnection) -> AsyncSession:
        self._connection, self._shared = connection, shared
        self._block.callback(self._finish)
        self._block.enter_context(
            bound_to(connection, *self._factories, join_transaction_mode="create_savepoint")
        )
        listeners: list[tuple[Any, str, Any]] = [
            (Session, "after_begin", self._has_begun),
            (shared, "before_cursor_execute", self._executes),
            (self._engine.sync_engine, "handle_error", self._keep_connection),
        ]
        for listener in listeners:
            event.listen(*listener)
            self._block.callback(event.remove, *listener)
        session: AsyncSession = self._factories[0]()
        self._session, shared.root = session, session.sync_session
        return session

    async def _end(self) -> None:
        """In the thread: end what still runs, and roll back."""
        await _thread().cancel_all()
        try:
            await self._connection.rollback()
            await self._session.close()
        finally:
            await self._connection.close()

    def _finish(self) -> None:
        self._tasks.end()
        if self._shared.open_sessions:
            warnings.warn(LEFT_OPEN, SharedTransactionWarning, stacklevel=1)

    def _has_begun(self, session: Session, _transaction: object, connection: object) -> None:
        if connection is self._shared:
            self._shared.has_begun(session)
            self._tasks.note()

    def _executes(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self._shared.executes(statement)

    def _keep_connection(self, context: ExceptionContext) -> None:
        """Let a cancelled task have its rollback. SQLAlchemy would close the connection, with all
        that the test has written.
        """
        cancelled = isinstance(context.original_exception, asyncio.CancelledError)
        if context.connection is self._shared and cancelled:
            context.is_disconnect = False


async def _begun(engine: AsyncEngine) -> tuple[AsyncConnection, SharedConnection]:
    connection, shared = await connected(engine, SharedConnection)
    try:
        replace_driver(shared, _elsewhere, AnyLoopsLock())
        await connection.begin()
        await connection.exec_driver_sql("SELECT 1")
    except BaseException:
        await connection.close()
        raise
    return connection, shared


def _elsewhere(driver: Any) -> Any:
    return driver if type(driver) is Elsewhere else Elsewhere(_thread(), driver)
