"""Errors as sentences: what happened, where, and what to do next."""

import os
import re
import ssl
import traceback
from collections.abc import Iterator
from configparser import InterpolationError
from contextlib import contextmanager
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, PendingRollbackError, SQLAlchemyError

from ..errors import ConfigurationError
from ..printable import one_line, printable
from .command import command_of

_CHECK_LOGIN = (
    "Check DB_USER and DB_PASSWORD (for migrations DB_MIGRATION_USER and DB_MIGRATION_PASSWORD, "
    "where set). A data folder or volume that existed before keeps the password it was made with."
)
_CHECK_NAME = "Check DB_NAME, or create the database; `uv run db start` creates a local one."
_CHECK_HOST = "Check DB_HOST (for migrations DB_MIGRATION_HOST, where set)."
_CHECK_TLS = "Check DB_SSLMODE and DB_SSLROOTCERT against what the server offers."
_CHECK_POOLER = (
    "That is a pooler and no Postgres server: set DB_MIGRATION_HOST and DB_MIGRATION_PORT to the "
    "server itself, for migrations, or DB_POOLER=session where it is in that mode."
)
_IS_IT_POSTGRES = (
    "Check DB_HOST and DB_PORT (for migrations DB_MIGRATION_HOST and DB_MIGRATION_PORT, where set): is it "
    "a Postgres server that listens there, and is it well?"
)
_WAIT = "Wait a moment and try again."
_IS_IT_RUNNING = (
    "Is the server running? `uv run db start` starts a local one; for any other, check DB_HOST "
    "and DB_PORT (for migrations DB_MIGRATION_HOST and DB_MIGRATION_PORT, where set)."
)

# What to do about an error, by its SQLSTATE or, where a driver gives none, by words in it:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_REMEDIES = {
    "28P01": _CHECK_LOGIN,
    "28000": _CHECK_LOGIN,
    "password authentication failed": _CHECK_LOGIN,
    "3D000": _CHECK_NAME,
    "unsupported startup parameter": _CHECK_POOLER,
    "prepared statement": _CHECK_POOLER,
    "does not exist": _CHECK_NAME,
    "not known": _CHECK_HOST,
    "failed to resolve": _CHECK_HOST,
    "resolution": _CHECK_HOST,
    "53300": "Close other connections, or raise max_connections on the server.",
    "57P03": _WAIT,
    "starting up": _WAIT,
    "SSL": _CHECK_TLS,
    "TLS": _CHECK_TLS,
    "certificate": _CHECK_TLS,
}

# What a revision wants that is not possible in its transaction: invalid_transaction_termination
# (COMMIT in a procedure) and active_sql_transaction (VACUUM, CREATE INDEX CONCURRENTLY).
_OUTSIDE_ONLY = ("2D000", "25001")

IN_A_BLOCK = (
    "What must run outside of a transaction goes into a block: "
    "with op.get_context().autocommit_block(): op.execute(…)."
)
IN_A_SAVEPOINT = (
    "What may fail goes into a savepoint: with op.get_bind().begin_nested(): op.execute(…)."
)


# Their DETAIL is the whole row: not_null_violation and check_violation.
_QUOTE_ROWS = ("23502", "23514")


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn what a person can mend into a CommandError, which Alembic prints as one line.

    Other errors are bugs, in a revision or here, and keep their traceback. No error keeps a secret of
    the statement that it is about.
    """
    try:
        with _errors_as_sentences():
            yield
    except Exception as error:
        from .tracebacks import scrub  # only errors need it

        scrub(error)
        raise


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        raise CommandError(printable(str(error))) from error
    except CommandError as error:
        text = str(error)
        if _is_alembics(error):  # the only line break in it would be one of a name
            text = one_line(text)
        raise CommandError(printable(_say_what_to_do(text))) from error
    except InterpolationError as error:
        # Its text quotes the value, which may be a URL with a password in it.
        raise CommandError(explain_interpolation_error(error)) from None
    except DBAPIError as error:
        raise CommandError(_explain_failed_statement(error)) from error
    except PendingRollbackError as error:
        # The connection was lost in an autocommit_block, which Alembic then wants to commit.
        lost = _first_of_the_driver(error)
        if lost is None:
            raise
        raise CommandError(explain_lost_connection(lost)) from error
    except SQLAlchemyError as error:
        place = _place_of(error)
        if place is None:
            raise
        raise CommandError(_explain_unsent_statement(error, place)) from error


def _is_alembics(error: BaseException) -> bool:
    """Whether Alembic itself raised it."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_globals.get("__name__", "").startswith("alembic.")


def _say_what_to_do(text: str) -> str:
    """Alembic's own errors that say what is wrong and no more."""
    if text == "Target database is not up to date.":
        return (
            "The database is not at the newest revision, so it cannot be compared with the models. "
            "First: uv run alembic upgrade head"
        )
    if text.startswith("Multiple head revisions are present"):
        heads = ", ".join(context.script.get_heads())
        return (
            f"The history has several heads, {heads}, so the command cannot choose. Join them: "
            "uv run alembic merge heads"
        )
    if text.startswith("Can't locate revision identified by"):
        return (
            f"{text}: no file has it. If the database names it, a newer version has migrated it, "
            "or its file was removed, which `uv run db remove <revision>` repairs. `uv run alembic "
            "history` lists what there is."
        )
    return text


def statement_of(error: Exception, otherwise: str = "") -> str:
    """The statement that failed, on one line and without secrets; empty where it is not known.

    Args:
        error: SQLAlchemy's, which has the statement, or the driver's.
        otherwise: the statement of an error of the driver's.
    """
    from .redaction import redacted  # only errors need it

    statement = getattr(error, "statement", None) or otherwise
    return one_line(" ".join(redacted(statement).split()))


def sqlstate(error: BaseException) -> str:
    """Postgres's code of an error, SQLAlchemy's or the driver's; empty where it has none."""
    original = getattr(error, "orig", None) or error
    # psycopg2 calls it pgcode.
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or ""


def explain_connection_error(error: Exception, url: URL, limit: str = "") -> str:
    """Why there is no connection, to which database, and what to do.

    Args:
        error: the driver's.
        url: of the database.
        limit: the one that the server went over, in words.
    """
    reason = limit or reason_of(error)
    wants_tls = "no encryption" in reason  # which has the code of a wrong password
    known = _IS_IT_POSTGRES if limit else _CHECK_TLS if wants_tls else None
    remedy = (
        known
        or _REMEDIES.get(sqlstate(error))
        or next((remedy for words, remedy in _REMEDIES.items() if words in reason), _IS_IT_RUNNING)
    )
    host = url.query.get("host") or url.host
    where = one_line(f'"{url.database}" on {host}, port {url.port}, as "{url.username}"')
    return f"Cannot connect to database {where}: {reason}. {remedy}"


def explain_interpolation_error(error: InterpolationError) -> str:
    """Which line of alembic.ini cannot be read. A percent sign in it means more than itself."""
    return (
        f'alembic.ini cannot be read: the value of "{error.option}" in [{error.section}] has a percent sign '
        "that begins no %(name)s. Write %% for a percent sign. Alembic does not support one in the path "
        "of the project: move it to a folder without one."
    )


def explain_refusal(error: DBAPIError) -> str:
    """What Postgres says to a statement that is not a revision's."""
    return f"Postgres refused a statement: {reason_of(error)}.{_shown_statement(error)}"


def explain_sqlalchemy_error(error: SQLAlchemyError) -> str:
    """What SQLAlchemy does not accept, such as a URL in alembic.ini."""
    return f"SQLAlchemy refuses it: {reason_of(error)}."


def explain_driver_error(error: Exception) -> str:
    """An error that the driver raised itself. Those of the server have a code."""
    code = sqlstate(error)
    is_lost = not code or code.startswith(("08", "57P"))
    return explain_lost_connection(error) if is_lost else _explain_failed_statement(error)


def _explain_failed_statement(error: Exception) -> str:
    if getattr(error, "connection_invalidated", False):
        return explain_lost_connection(error)
    place = _place_of(error)
    if place is None:
        return f"Postgres refused a statement: {reason_of(error)}.{_shown_statement(error)}"
    goes_down = command_of(context.config) == "downgrade"
    state = (
        "still applied; correct its downgrade" if goes_down else "not marked as applied; correct it"
    )
    instead = f" {IN_A_BLOCK}" if sqlstate(error) in _OUTSIDE_ONLY else ""
    return (
        f"{place}: Postgres refused a statement: {reason_of(error)}.{_shown_statement(error)}{instead} "
        f"This revision is {state}, then run the command again."
    )


def _first_of_the_driver(error: BaseException) -> DBAPIError | None:
    """The error of the driver's that another came of."""
    before = error.__context__
    if before is None or isinstance(before, DBAPIError):
        return before
    return _first_of_the_driver(before)


def _explain_unsent_statement(error: SQLAlchemyError, place: str) -> str:
    text = reason_of(error).split("(Background on")[0].rstrip()
    if found := re.search(r"required for bind parameter '(\w+)'", text):
        text = (
            f'":{found[1]}" looks like a parameter, and none is given; run_sql takes SQL as it is'
        )
    elif "already initialized a SQLAlchemy Transaction" in text:
        text = (
            "begin() cannot begin a transaction, because Alembic has begun the revision's. "
            f"{IN_A_SAVEPOINT} {IN_A_BLOCK.rstrip('.')}"
        )
    return f"{place}: {text}. Correct the revision, then run the command again."


def _shown_statement(error: Exception) -> str:
    statement = statement_of(error)
    return f" Statement: {statement}." if statement else ""


def explain_lost_connection(error: Exception) -> str:
    """Where the connection was lost, why, and what to do."""
    place = _place_of(error)
    return (
        f"The connection was lost{f' at {place}' if place else ''}: {reason_of(error)}. What was "
        "not finished was not applied: run the command again when the server is back."
    )


def place_in_progress() -> str | None:
    """file:line of the revision that runs at this moment."""
    return _place_in_a_revision(traceback.extract_stack())


def _place_of(error: Exception) -> str | None:
    """file:line of the statement, where a revision made it."""
    return _place_in_a_revision(traceback.extract_tb(error.__traceback__))


def _place_in_a_revision(frames: traceback.StackSummary) -> str | None:
    folder = context.script.versions
    places = [
        f"{frame.filename}:{frame.lineno}" for frame in frames if frame.filename.startswith(folder)
    ]
    return places[-1] if places else None


def reason_of(error: Exception) -> str:
    """The driver's message on one line, without the class that SQLAlchemy puts before it."""
    from .redaction import may_hold_a_secret, redacted_message  # only errors need it

    original = getattr(error, "orig", None) or error
    # The cause of asyncpg's TimeoutError is that it cancelled the attempt.
    if isinstance(original, TimeoutError) or isinstance(original.__cause__, TimeoutError):
        return "no answer in time"
    original = original.__cause__ or original
    if isinstance(original, ssl.SSLError):
        return f"TLS was not agreed on: {one_line(original.strerror or str(original))}"
    if isinstance(original, OSError) and original.errno:
        return os.strerror(original.errno) if original.errno > 0 else str(original.strerror)
    about = (getattr(error, "statement", None), *sql_around(original))
    message, detail, hint = _said_by_the_server(original)
    if row_quoted_by(original) or any(map(may_hold_a_secret, filter(None, about))):
        detail = ""
    parts = filter(None, (message, detail, hint))
    text = " ".join(" ".join(redacted_message(part, *about).split()) for part in parts)
    return one_line(text).rstrip(".?") or type(original).__name__


def _said_by_the_server(error: BaseException) -> tuple[str, str, str]:
    """Message, DETAIL and HINT; of an error of the driver's own, its text. What else a driver adds, such
    as LINE and CONTEXT, quotes SQL.
    """
    fields: Any = getattr(error, "diag", None) or error  # psycopg's, or asyncpg's own attributes
    primary = getattr(fields, "message_primary", None) or getattr(fields, "message", None)
    if not isinstance(primary, str):
        return str(error), "", ""
    detail = getattr(fields, "message_detail", None) or getattr(fields, "detail", None)
    hint = getattr(fields, "message_hint", None) or getattr(fields, "hint", None)
    return primary, f"DETAIL: {detail}" if detail else "", f"HINT: {hint}" if hint else ""


def row_quoted_by(error: BaseException) -> str:
    """The DETAIL of an error that quotes a whole row; else nothing."""
    _, detail, _ = _said_by_the_server(error)
    return detail.removeprefix("DETAIL: ") if sqlstate(error) in _QUOTE_ROWS else ""


def sql_around(error: BaseException) -> tuple[str, ...]:
    """The SQL inside a statement that an error came of, as far as the server has said: that of a
    function, and what its context quotes.
    """
    fields: Any = getattr(error, "diag", None) or error
    context = str(getattr(fields, "context", None) or "")
    quoted = context[context.find('"') + 1 : context.rfind('"')]
    return tuple(filter(None, (getattr(fields, "internal_query", None), quoted)))
