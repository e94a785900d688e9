"""What a log record says beside its text, for programs: the event and its details, as attributes.

`JsonFormatter` writes them. A program that calls the library finds them in its own handlers.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic_live.internals.alembic import is_revision_step
from alembic_live.postgres.explanations import sqlstate, statement_of

LOGGERS = ("alembic.migrations", "alembic.runtime.migration")  # the library's, and Alembic's
FAILURE = "alembic_live_failure"  # an attribute of errors

_PLACE = re.compile(r"(?P<file>.+):(?P<line>\d+)")


def event(name: str, **details: Any) -> dict[str, Any]:
    """The `extra` of a log record.

    Args:
        name: started, waiting, running, executed, retrying, finished or failed.
        details: further attributes. None is left out.
    """
    return {"event": name} | {key: value for key, value in details.items() if value is not None}


class _Step(logging.Filter):
    """Adds the revision in progress to each record."""

    def __init__(self, pending: Any) -> None:
        super().__init__()
        self._pending = pending

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in details_of(self._pending.current).items():
            setattr(record, name, value)
        if record.name == LOGGERS[1]:  # "Running upgrade a -> b"
            record.event = "started"
        return True


@contextmanager
def step_in_records(pending: Any) -> Iterator[None]:
    """Add the revision in progress to the records of the block, and to the error that ends it.

    Args:
        pending: its attribute `current` is the step of Alembic that is in progress, or None.
    """
    step = _Step(pending)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(step)
    try:
        yield
    except Exception as error:
        note_failure(error, **details_of(pending.current))
        raise
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(step)


def details_of(step: Any) -> dict[str, str]:
    """The revision of a step of Alembic, and its direction."""
    if step is None or not is_revision_step(step):
        return {}
    direction = "upgrade" if step.is_upgrade else "downgrade"
    return {"revision": str(step.revision.revision), "direction": direction}


def note_failure(error: BaseException, place: str | None = None, **details: Any) -> None:
    """Keep details with an error, for the record about it.

    Args:
        error: the error. Its causes tell the SQLSTATE and the statement.
        place: the file:line in a revision.
        details: further ones.
    """
    known = failure_of(error)
    cause: BaseException | None = error
    while cause is not None:
        known = vars(cause).get(FAILURE, {}) | known
        if code := sqlstate(cause):
            known.setdefault("sqlstate", code)
        if isinstance(cause, Exception) and (statement := statement_of(cause)):
            known.setdefault("statement", statement)
        cause = cause.__cause__
    if found := _PLACE.fullmatch(place or ""):
        known |= {"file": found["file"], "line": int(found["line"])}
    setattr(error, FAILURE, known | details)


def failure_of(error: BaseException) -> dict[str, Any]:
    """The details that `note_failure` kept."""
    return dict(vars(error).get(FAILURE, {}))
