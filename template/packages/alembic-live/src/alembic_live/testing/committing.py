"""Sessions of a test that commit, each on its own connection, in a database for the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine

from alembic_live.address import Address
from alembic_live.internals.sqlalchemy_pool import PoolOfEachLoop
from alembic_live.testing.outlived import TasksOfTest, watch

Factory = async_sessionmaker[Any]


@contextmanager
def committing(
    engine: AsyncEngine, database: Address, *factories: Factory
) -> Iterator[AsyncEngine]:
    """Let the factories create sessions on a database. They may belong to any event loop and thread.

    Args:
        engine: an engine with the driver to use.
        database: the database.
        factories: of sessions.

    Returns:
        An engine on the database.
    """
    address = database.replaced(driver=engine.dialect.driver)
    arguments = address.connect_args({})
    own = create_async_engine(address.url, connect_args=arguments, poolclass=PoolOfEachLoop)
    tasks = TasksOfTest()
    watch(engine)
    event.listen(own.sync_engine, "checkout", lambda *_: tasks.note())
    with bound_to(own, *factories):
        yield own
    tasks.end()
    own.sync_engine.dispose(close=False)  # each loop closes its connections


@contextmanager
def bound_to(bind: Any, *factories: Factory, **options: Any) -> Iterator[None]:
    """Let the factories create sessions on an engine or a connection inside the block.

    Args:
        bind: the engine or connection.
        factories: of sessions.
        options: further options of the sessions.
    """
    before = [dict(factory.kw) for factory in factories]
    for factory in factories:
        factory.configure(bind=bind, **options)
    try:
        yield
    finally:
        for factory, own in zip(factories, before, strict=True):
            factory.kw.clear()
            factory.kw.update(own)
