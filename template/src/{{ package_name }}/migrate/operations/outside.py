"""What the operations share: to run outside of the revision's transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from alembic import op
from sqlalchemy import Row, TextClause, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..retries import Retries


def outside_transaction() -> Any:
    """A block whose statements are committed one by one. What was done before is committed."""
    return op.get_context().autocommit_block()


def is_offline() -> bool:
    """Whether SQL is written (`--sql`), so that nothing can be asked."""
    return op.get_context().as_sql


def drop_unasked(drop: Callable[[], None]) -> None:
    """Offline nothing can be asked, so what a run that was killed may have left is dropped unasked."""
    if is_offline():
        drop()


def again(change: Callable[[], None]) -> None:
    """Make a change that runs CONCURRENTLY and can be repeated, and repeat it after a deadlock.
    Other statements outside of a transaction are tried again by themselves.

    Raises:
        CommandError: no try succeeded; the text says who was in the way.
    """
    retries = _retries()
    if retries is None:
        change()
    else:
        retries.until_granted(change)


def _retries() -> Retries | None:
    """None offline, and where a program runs Alembic in an environment of its own."""
    retries: Retries | None = op.get_context().opts.get("retries")
    return retries


@contextmanager
def undone_by(undo: Callable[[], None]) -> Iterator[None]:
    """Where Postgres refuses the work, as rows contradict a constraint, leave nothing of it behind."""
    try:
        yield
    except DBAPIError:
        with suppress(SQLAlchemyError):  # there may be no connection any more
            undo()
        raise


def run(statement: str) -> None:
    """Run a statement as it stands: a colon does not begin a parameter."""
    op.execute(text(statement.replace(":", r"\:")))


def row_of(query: TextClause, **values: Any) -> Row[Any] | None:
    """The first row of a query, if there is one."""
    return op.get_bind().execute(query, values).first()


def quoted(name: str, schema: str | None = None) -> str:
    """A name for SQL, with its schema where it has one."""
    quote = op.get_context().dialect.identifier_preparer.quote_identifier
    return f"{quote(schema)}.{quote(name)}" if schema else quote(name)


def literal(value: str) -> str:
    """A text for SQL."""
    return "'" + value.replace("'", "''") + "'"
