"""What an application's engine and sessions need."""

import re
from typing import Any

from sqlalchemy import TextClause, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from alembic_live.engines import ask_for_passwords
from alembic_live.errors import ReadOnlyError
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
    address = project.application_address
    pooled = project.pooler == "transaction"
    pool = {} if "poolclass" in options else project.pool.options
    engine = create_async_engine(
        address.url,
        connect_args=address.connect_args({"application_name": project.name}, pooled=pooled),
        **pool | options,
    )
    ask_for_passwords(engine.sync_engine, address)
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
