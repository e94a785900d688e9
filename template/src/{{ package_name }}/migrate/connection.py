"""One way to a connection for sync and async drivers, with an event loop running or not."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from typing import Any, TypeVar

from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only, greenlet_spawn

from ..database.address import Address
from ..database.keepalive import watch_clients
from .command import CANCELLED, STEP
from .errors import explain_connection_error
from .watchdog import limited_connecting

Result = TypeVar("Result")

DEFAULT_PORT = 5432


def make_engine(
    address: Address, driver: str, *, name: str = "", pooled: bool = False, **options: Any
) -> Engine:
    """An engine that keeps no connection open. With `pooled`, there may be a pooler. The name is
    what its connections are called in pg_stat_activity.
    """
    session = {"application_name": name} if name else {}
    engine = create_engine(
        address.url(driver),
        connect_args=address.connect_args(driver, session, pooled=pooled),
        poolclass=NullPool,
        hide_parameters=True,
        **options,
    )
    if not pooled:
        watch_clients(engine)
    return engine


def with_connection(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    """Call `work` with a connection of the engine, which is closed afterwards.

    An async driver runs in a loop of its own, as under AsyncConnection.run_sync but without
    importing the ORM; inside a running loop, that is a loop in another thread.

    Raises:
        CommandError: there is no connection to be had; the text says why and what to do.
    """
    if not engine.dialect.is_async:
        with _connected(engine) as connection:
            return work(connection)

    def work_in_its_own_loop() -> Result:
        # Connections that are open in another loop cannot be used in this one.
        own = copy(engine)
        own.pool = engine.pool.recreate()
        try:
            with _connected(own) as connection:
                return work(connection)
        finally:
            own.dispose()

    if not _loop_is_running():
        return asyncio.run(greenlet_spawn(work_in_its_own_loop))
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, greenlet_spawn(work_in_its_own_loop)).result()


def pause(connection: Connection, seconds: float, cancelled: threading.Event) -> None:
    """Wait, without holding up the event loop that an async driver's connection belongs to.

    Raises:
        CommandError: the event was set meanwhile.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not cancelled.is_set():
        if connection.dialect.is_async:
            await_only(asyncio.sleep(min(left, STEP)))
        else:
            cancelled.wait(min(left, STEP))
    if cancelled.is_set():
        raise CommandError(CANCELLED)


@contextmanager
def listening(connection: Connection, **listeners: Callable[..., None]) -> Iterator[None]:
    """Call listeners for SQLAlchemy's events of a connection during the block, by their names.

    https://docs.sqlalchemy.org/en/21/core/events.html#sqlalchemy.events.ConnectionEvents
    """
    for name, listener in listeners.items():
        event.listen(connection, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(connection, name, listener)


def is_autocommit(connection: Connection) -> bool:
    """Whether the connection is in an `autocommit_block`, outside of transactions."""
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def is_in_transaction(connection: Connection) -> bool:
    """What the server said with its last answer. True where the driver is unknown, or the
    connection is lost.
    """
    driver_connection: Any = connection.connection.driver_connection
    match connection.dialect.driver:
        case "asyncpg":
            return bool(driver_connection.is_closed() or driver_connection.is_in_transaction())
        case "psycopg" | "psycopg_async" | "psycopg2":
            return bool(driver_connection.info.transaction_status)  # 0 is IDLE
        case _:
            return True


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    with limited_connecting(engine.url.port or DEFAULT_PORT) as dog:
        try:
            connection = engine.connect()
        except (DBAPIError, ImportError, OSError, UnicodeError) as error:
            reason = explain_connection_error(error, engine.url, dog.reason)
            raise CommandError(reason) from error
    with connection:
        yield connection


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
