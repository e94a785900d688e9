"""`session()` reads and writes; `read_session()` reads without a transaction.

In a script:

    async with session() as db:
        db.add(thing)

In FastAPI, end the session before the response is sent. Otherwise the client is told of success
before the commit, which may still fail:

    async def handler(
        db: Annotated[AsyncSession, Depends(get_session, scope="function")],
    ) -> Answer: ...
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from alembic_live import ReadOnlySession, reading_engine
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from . import project
from .engine import get_engine


async def get_session() -> AsyncIterator[AsyncSession]:
    """A session that commits at the end of its block, and rolls back after an error.

    Raises:
        ConfigurationError: DB_* settings are missing.
    """
    async with session_factory()() as db:
        yield db
        await db.commit()


async def get_read_session() -> AsyncIterator[AsyncSession]:
    """A session for reading. Each SELECT is one round trip, without BEGIN and ROLLBACK, so two
    SELECTs may see different data. Use `get_session` if they must agree.

    Raises:
        ConfigurationError: DB_* settings are missing.
        ReadOnlyError: the session was about to write.
    """
    async with read_session_factory()() as db:
        yield db


session = asynccontextmanager(get_session)
read_session = asynccontextmanager(get_read_session)


@cache
def session_factory() -> async_sessionmaker[AsyncSession]:
    """Creates the sessions of `get_session`. Objects stay readable after the commit."""
    return async_sessionmaker(get_engine(), expire_on_commit=False)


@cache
def read_session_factory() -> async_sessionmaker[AsyncSession]:
    """Creates the sessions of `get_read_session`, on DB_READ_HOST if it is set."""
    engine = reading_engine(project, get_engine())
    return async_sessionmaker(engine, sync_session_class=ReadOnlySession, expire_on_commit=False)
