"""Helpers for operations that run outside the revision's transaction."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from alembic import op
from sqlalchemy import Row, TextClause, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alembic_live.runtime.retries import RETRIES, Retries


def outside_transaction() -> Any:
    """A block in which each statement commits on its own. Entering it commits the revision's
    transaction.
    """
    return op.get_context().autocommit_block()


def is_offline() -> bool:
    """Whether Alembic writes SQL (`--sql`) instead of running it: there is no database to query."""
    return op.get_context().as_sql


def drop_if_offline(drop: Callable[[], None]) -> None:
    """Call `drop` in offline mode only. The SQL cannot look for what a killed run left behind, so
    it drops the object unconditionally.
    """
    if is_offline():
        drop()


def note_offline(text: str) -> None:
    """Write a comment into the SQL of `--sql`."""
    op.get_context().impl.static_output(f"-- {text}")


def rest(seconds: float) -> None:
    """Leave the server to others. A signal, or a program that cancels the migration, ends it."""
    retries = _retries()
    (retries.pause if retries else time.sleep)(seconds)


def with_retries(change: Callable[[], None]) -> None:
    """Call `change`, and again after a deadlock. For changes that run CONCURRENTLY and can be
    repeated. The runtime retries other statements outside a transaction by itself.

    Raises:
        CommandError: no attempt succeeded; the text names the blocking session.
    """
    retries = _retries()
    if retries is None:
        change()
    else:
        retries.until_granted(change)


def _retries() -> Retries | None:
    """None in offline mode, and in an environment that does not use `run_migrations`."""
    config = op.get_context().config
    return config.attributes.get(RETRIES) if config else None


@contextmanager
def undo_on_error(undo: Callable[[], None]) -> Iterator[None]:
    """Call `undo` if Postgres rejects a statement of the block, for example because rows violate a
    constraint.
    """
    try:
        yield
    except DBAPIError:
        with suppress(SQLAlchemyError):  # the connection may be lost
            undo()
        raise


def execute(statement: str) -> None:
    """Run a statement verbatim."""
    op.execute(text(verbatim(statement)))


def verbatim(sql: str) -> str:
    """SQL for `text`, in which a colon does not start a parameter."""
    return sql.replace(":", r"\:")


def first_row(query: TextClause, **values: Any) -> Row[Any] | None:
    """The first row of a query, or None."""
    return op.get_bind().execute(query, values).first()
