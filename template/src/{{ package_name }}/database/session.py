"""Sessions: `session()` reads and writes, `read_session()` reads in one round trip.

In a script, or wherever a `with` block fits:

    async with session() as db:
        db.add(thing)

In a web handler, as a dependency. FastAPI has to be told to end it before the answer goes out, or
the client reads "done" before the commit, which may yet fail:

    async def handler(
        db: Annotated[AsyncSession, Depends(get_session, scope="function")],
    ) -> Answer: ...
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from sqlalchemy import TextClause, event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from ..config import settings
from ..errors import ReadOnlyError
from .engine import get_engine


async def get_session() -> AsyncIterator[AsyncSession]:
    """A session that commits when its block ends well, rolls back on an error, always closes.

    Raises:
        ConfigurationError: DB_* settings are missing.
    """
    async with session_factory()() as db:
        yield db
        await db.commit()


async def get_read_session() -> AsyncIterator[AsyncSession]:
    """A session for reading: each SELECT is one round trip, without BEGIN and ROLLBACK.

    Two SELECTs may see different moments. Where that matters, use `get_session`.

    Raises:
        ConfigurationError: DB_* settings are missing.
        ReadOnlyError: a change was to be written.
    """
    async with read_session_factory()() as db:
        yield db


session = asynccontextmanager(get_session)
read_session = asynccontextmanager(get_read_session)


@cache
def session_factory() -> async_sessionmaker[AsyncSession]:
    """Makes the sessions of `get_session`. Objects stay readable after the commit."""
    return async_sessionmaker(get_engine(), expire_on_commit=False)


@cache
def read_session_factory() -> async_sessionmaker[AsyncSession]:
    """Makes the sessions of `get_read_session`."""
    engine = get_engine()
    # Which may change sessions between the messages of one SELECT.
    if settings.DB_POOLER != "transaction":
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    return async_sessionmaker(
        engine,
        sync_session_class=ReadOnlySession,
        expire_on_commit=False,
    )


_READS = re.compile(r"\s*(SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN)\b", re.IGNORECASE)


class ReadOnlySession(Session):
    """Refuses to write: without a transaction, half of a change could stay behind. It guards
    against slips: what a function does, or a CTE, it does not see.
    """


@event.listens_for(ReadOnlySession, "before_flush")
def _refuse_to_flush(db: Session, _context: UOWTransaction, _instances: object) -> None:
    changed = [*db.new, *db.dirty, *db.deleted]
    raise ReadOnlyError(f"read_session() cannot write {changed}; use session() instead.")


@event.listens_for(ReadOnlySession, "do_orm_execute")
def _refuse_to_write(state: ORMExecuteState) -> None:
    reads = state.is_select or (
        isinstance(state.statement, TextClause) and _READS.match(state.statement.text)
    )
    if not reads:
        raise ReadOnlyError(f"read_session() cannot run {state.statement}; use session() instead.")
