"""A connection pool for each event loop.

SQLAlchemy documents that a class of pools can be given to an engine, and not how to write one:
https://docs.sqlalchemy.org/en/21/core/pooling.html#constructing-a-pool
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, Self

from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util import concurrency

from alembic_live.errors import ConfigurationError
from alembic_live.internals import attribute

LIBRARY = "sqlalchemy"

NO_ASYNCIO = (
    "Sessions need asyncio, which does not run here. With anyio, choose its backend asyncio; in "
    'tests, let the fixture anyio_backend return "asyncio".'
)

_Loop = asyncio.AbstractEventLoop
_Watcher = AsyncGenerator[None, None]


class PoolOfEachLoop(AsyncAdaptedQueuePool):
    """A pool whose connections serve the event loop that opened them, and no other.

    A connection of asyncpg or psycopg belongs to one loop, but a process may have several: a second
    `asyncio.run()`, a thread, a test client. Each gets a pool of the full size. The pool is closed
    when its loop ends, as `asyncio.run()` ends it. A forked process leaves the connections of its
    parent alone.
    """

    _loop: _Loop | None = None  # of a pool of one loop
    _ended = False
    _wanted = 0  # how many tasks get a connection, or wait for one

    # SQLAlchemy asks the server for its version and the like on the first connection of an engine.
    # Others may only follow when it has the answers.
    _is_first = True
    _first_loop: _Loop | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._process = os.getpid()
        self._pools: dict[_Loop, tuple[Self, _Watcher]] = {}

    def _of_running_loop(self) -> Self:
        if self._loop is not None:
            return self
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            if concurrency.in_greenlet():
                raise ConfigurationError(NO_ASYNCIO) from None
            return self  # SQLAlchemy says what is wrong
        if self._process != os.getpid():
            self._process, self._pools, self._first_loop = os.getpid(), {}, None
        if loop in self._pools:
            return self._pools[loop][0]
        self._pools = {each: own for each, own in self._pools.items() if not each.is_closed()}
        pool: Any = self.recreate()
        pool._loop = loop
        pool.dispatch = self.dispatch  # a listener hears of each loop, also if it comes later
        self._pools[loop] = pool, _watch(pool)
        return self._pools[loop][0]

    def _do_get(self) -> Any:
        pool = self._of_running_loop()
        if self._is_first and self._loop is None:
            self._wait_for_first(pool._loop)
        pool._wanted += 1
        try:
            record = super(PoolOfEachLoop, pool)._do_get()
            self._is_first = False
        finally:
            pool._wanted -= 1
            self._first_loop = None
        return record

    def _wait_for_first(self, loop: _Loop | None) -> None:
        while True:
            first = self._first_loop
            if first is None or first.is_closed():
                first = self._first_loop = loop
            if first is loop or not self._is_first:
                return
            concurrency.await_only(asyncio.sleep(0.001))

    def _do_return_conn(self, record: Any) -> None:
        pool = self._of_running_loop()
        super(PoolOfEachLoop, pool)._do_return_conn(record)
        if pool._ended and not pool._wanted and concurrency.in_greenlet():
            super(PoolOfEachLoop, pool).dispose()  # it was in use when the others were closed

    def _invalidate(self, *args: Any, **options: Any) -> None:
        super(PoolOfEachLoop, self._of_running_loop())._invalidate(*args, **options)

    def dispose(self) -> None:
        """Close the connections of this loop. Other loops close theirs."""
        pools, self._pools = self._pools, {}
        self._ended = self._loop is not None
        if self._ended or not pools:
            super().dispose()
        elif self._process == os.getpid() and concurrency.in_greenlet():
            _, watcher = pools.pop(asyncio.get_running_loop(), (None, None))
            if watcher:
                concurrency.await_only(watcher.aclose())
        # A watcher that is collected closes its pool, in its own loop.

    def checkedin(self) -> int:
        """The free connections of all loops."""
        return super().checkedin() + sum(pool.checkedin() for pool, _ in self._pools.values())

    def checkedout(self) -> int:
        """The connections of all loops that are in use."""
        return super().checkedout() + sum(pool.checkedout() for pool, _ in self._pools.values())


def _watch(pool: PoolOfEachLoop) -> _Watcher:
    """Close the pool when its loop ends, which ends async generators first, or when the result is
    collected.
    """
    watcher = _close_at_end(pool, os.getpid())
    with suppress(StopIteration):
        anext(watcher).send(None)  # it runs to its yield, and the loop knows it from now on
    return watcher


async def _close_at_end(pool: PoolOfEachLoop, process: int) -> _Watcher:
    try:
        yield
    finally:
        if os.getpid() == process:
            await concurrency.greenlet_spawn(pool.dispose)


POOL = (
    *(
        attribute(LIBRARY, "sqlalchemy.pool", f"AsyncAdaptedQueuePool.{name}")
        for name in ("_do_get", "_do_return_conn", "_invalidate")
    ),
    *(
        attribute(LIBRARY, "sqlalchemy.util.concurrency", name)
        for name in ("await_only", "greenlet_spawn", "in_greenlet")
    ),
)
