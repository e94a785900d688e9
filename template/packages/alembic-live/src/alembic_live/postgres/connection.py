"""Connections through sync and async drivers, with or without a running event loop."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from alembic.util import CommandError
from sqlalchemy import Connection, CursorResult, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from alembic_live.address import DEFAULT_PORT, Address
from alembic_live.engines import address_known_to, connect_to
from alembic_live.internals.sqlalchemy import (
    connecting_errors,
    execute_simple_query,
    in_greenlet,
    wait_for,
    with_own_pool,
)
from alembic_live.postgres.explanations import explain_connection_error, is_full, reason_of
from alembic_live.postgres.remedies import ORIGIN
from alembic_live.postgres.session_start import start_sessions, start_transactions
from alembic_live.postgres.watchdog import limited_connecting

log = logging.getLogger("alembic.migrations")

Result = TypeVar("Result")

CANCELLED = "The migration was cancelled. What was unfinished is not applied."
FULL_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)  # seconds between tries while there is no free connection
SCRIPT = 500  # statements that are sent together
STEP = 0.2  # seconds after which a pause notices that it is cancelled


def make_engine(
    address: Address, *, name: str = "", pooled: bool = False, **options: Any
) -> Engine:
    """An engine without a connection pool.

    Args:
        address: the address of the database.
        name: the application_name of its connections in pg_stat_activity.
        pooled: whether a pooler such as PgBouncer may be between the engine and the server.
        options: further arguments of `create_engine`.
    """
    session = {"application_name": name} if name else {}
    engine = create_engine(
        address.url,
        connect_args=address.connect_args(session, pooled=pooled),
        poolclass=NullPool,
        hide_parameters=True,
        **options,
    )
    engine.update_execution_options(**{ORIGIN: address.origin})
    connect_to(engine, address)
    if pooled:
        start_transactions(engine, address)
    else:
        start_sessions(engine, address)
    return engine


def with_connection(
    engine: Engine, work: Callable[[Connection], Result], *, insists: bool = True
) -> Result:
    """Call `work` with a connection of the engine, and close the connection.

    An async driver gets a separate event loop, as under AsyncConnection.run_sync but without
    importing the ORM. If a loop is running already, the new one runs in another thread.

    Args:
        engine: the engine.
        work: what to do.
        insists: whether to try for three seconds if no connection is free.

    Raises:
        CommandError: the connection failed; the text says why and what to do.
    """
    if not engine.dialect.is_async:
        with _connected(engine, insists) as connection:
            return work(connection)

    def work_in_separate_loop() -> Result:
        separate = with_own_pool(engine)  # a connection cannot be used in another loop
        try:
            with _connected(separate, insists) as connection:
                return work(connection)
        finally:
            separate.dispose()

    if not _loop_is_running():
        return asyncio.run(in_greenlet(work_in_separate_loop))
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, in_greenlet(work_in_separate_loop)).result()


def execute_verbatim(connection: Connection, sql: str) -> CursorResult[Any]:
    """Run SQL without parameters. Percent signs have no special meaning in any driver."""
    return connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def execute_script(connection: Connection, statements: Sequence[str]) -> None:
    """Run statements without parameters, many in one round trip.

    Raises:
        DBAPIError: the server refuses one of them.
    """

    def execute(cursor: Any, sql: str, _context: object) -> bool:
        execute_simple_query(cursor, sql)
        return True

    name = "do_execute_no_params"
    is_prepared = connection.dialect.driver == "asyncpg"  # which takes one statement only
    if is_prepared:
        event.listen(connection.dialect, name, execute)
    try:
        for start in range(0, len(statements), SCRIPT):
            execute_verbatim(connection, ";\n".join(statements[start : start + SCRIPT]))
    finally:
        if is_prepared:
            event.remove(connection.dialect, name, execute)


def pause(connection: Connection, seconds: float, cancelled: threading.Event) -> None:
    """Wait without blocking the event loop of an async driver.

    Args:
        connection: the connection whose loop may run.
        seconds: how long.
        cancelled: ends the pause when it is set.

    Raises:
        CommandError: the event is set.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not cancelled.is_set():
        if connection.dialect.is_async:
            wait_for(asyncio.sleep(min(left, STEP)))
        else:
            cancelled.wait(min(left, STEP))
    if cancelled.is_set():
        raise CommandError(CANCELLED)


@contextmanager
def listening(connection: Connection, **listeners: Callable[..., None]) -> Iterator[None]:
    """Register listeners for the events of a connection during the block, by the events' names.

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
    """Whether the connection is in an `autocommit_block`, so that it has no transaction."""
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def is_in_transaction(connection: Connection) -> bool:
    """Whether the server's last message reported a transaction. True if the driver is unknown or
    the connection is lost.
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
def _connected(engine: Engine, insists: bool) -> Iterator[Connection]:
    address = address_known_to(engine)
    ports = {port for _, port in address.hosts} if address else {engine.url.port or DEFAULT_PORT}
    with limited_connecting(ports) as watchdog:
        try:
            connection = _connect(engine, FULL_PAUSES if insists else ())
        except connecting_errors(engine) as error:
            reason = explain_connection_error(error, engine, watchdog.reason)
            raise CommandError(reason) from error
    with connection:
        yield connection


def _connect(engine: Engine, pauses: Sequence[float]) -> Connection:
    """Connect. The limit of a role or a database may be one, and a session that has just ended, or
    whose client was killed, counts for a moment longer.
    """
    for number, pause in enumerate(pauses):
        try:
            return engine.connect()
        except connecting_errors(engine) as error:
            if not is_full(error):
                raise
            if number == 1:
                log.info("Waiting for a free connection: %s.", reason_of(error))
            time.sleep(pause)
    return engine.connect()


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
