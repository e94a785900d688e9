"""What an application's engine and sessions need."""

import os
import re
from typing import Any

from sqlalchemy import TextClause, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from alembic_live.address import Address
from alembic_live.engines import connect_to
from alembic_live.errors import ReadOnlyError
from alembic_live.internals import require
from alembic_live.internals.sqlalchemy_pool import POOL, PoolOfEachLoop
from alembic_live.keepalive import watch_clients
from alembic_live.project import Project

_READS = re.compile(r"\s*(SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN)\b", re.IGNORECASE)


def create_application_engine(project: Project, **options: Any) -> AsyncEngine:
    """An engine for the application: its address, TLS, the mode of the pooler, the size of its pool,
    and time limits for a server whose machine is gone.

    Args:
        project: the project.
        options: of `create_async_engine`. They replace those of the settings. With a `poolclass`,
            the pool has no other options than these.

    Raises:
        ConfigurationError: DB_* settings are missing.
    """
    return _engine(project, project.application_address, options)


def reading_engine(project: Project, engine: AsyncEngine) -> AsyncEngine:
    """An engine for `read_session()`: in autocommit mode, and on DB_READ_HOST if it is set.

    Behind a pooler in transaction mode it uses transactions: the server's session may change within
    one SELECT in autocommit mode.

    Args:
        project: the project.
        engine: the application's. Without DB_READ_HOST, both have one pool. To dispose of it
            disposes of the other pool, too.

    Raises:
        ConfigurationError: DB_* settings are missing.
    """
    if address := project.read_address:
        engine = _disposed_with(engine, _engine(project, address, {}))
    if project.pooler == "transaction":
        return engine
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _disposed_with(engine: AsyncEngine, another: AsyncEngine) -> AsyncEngine:
    process = os.getpid()

    @event.listens_for(engine.sync_engine, "engine_disposed")
    def dispose(_engine: object) -> None:
        # The connections of a parent process are not closed in its child.
        another.sync_engine.dispose(close=os.getpid() == process)

    return another


def _engine(project: Project, address: Address, options: dict[str, Any]) -> AsyncEngine:
    pooled = project.pooler == "transaction"
    pool: dict[str, Any] = {}
    if not {"pool", "poolclass"} & set(options):
        require(POOL)
        pool = {"poolclass": PoolOfEachLoop, **project.pool.options}
    engine = create_async_engine(
        address.url,
        connect_args=address.connect_args({"application_name": project.name}, pooled=pooled),
        **pool | options,
    )
    connect_to(engine.sync_engine, address)
    if not pooled:
        watch_clients(engine.sync_engine)
    return engine


class ReadOnlySession(Session):
    """A session that refuses to write: without a transaction, a part of a change could stay.

    It guards against mistakes. It does not see what a function or a CTE writes.
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
