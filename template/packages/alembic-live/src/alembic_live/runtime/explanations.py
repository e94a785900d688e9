"""Errors as sentences: what happened, in which revision, and what to do next."""

import re
import traceback
from collections.abc import Iterator
from configparser import InterpolationError
from contextlib import contextmanager

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import (
    DBAPIError,
    NoInspectionAvailable,
    PendingRollbackError,
    SQLAlchemyError,
)

from alembic_live.errors import ConfigurationError
from alembic_live.history.heads import advice_on as advice_on_heads
from alembic_live.history.heads import newest
from alembic_live.history.locations import folders_of, is_in
from alembic_live.internals.alembic import (
    is_about_a_database_behind,
    is_about_an_unknown_revision,
    is_about_several_heads,
    overlap_in,
    relative_target_of,
)
from alembic_live.postgres.explanations import (
    advice_on,
    explain_interpolation_error,
    reason_of,
    shown_statement,
    sqlstate,
)
from alembic_live.postgres.grants import role_of
from alembic_live.postgres.scratch_names import is_scratch
from alembic_live.printable import as_typed, one_line, printable
from alembic_live.runtime.events import note_failure
from alembic_live.runtime.logs import record_failure
from alembic_live.runtime.program import APPLIED, command_of

# Errors of statements that cannot run in a transaction: invalid_transaction_termination (COMMIT in a
# procedure) and active_sql_transaction (VACUUM, CREATE INDEX CONCURRENTLY).
_OUTSIDE_ONLY = ("2D000", "25001")

READS = (
    "The revision reads the database, and --sql has none. Write the SQL up to the revision before it "
    "(--sql <from>:<to>), apply this revision with `uv run alembic upgrade`, and write the rest."
)
IN_A_BLOCK = (
    "Statements that cannot run in a transaction go into a block: "
    "with op.get_context().autocommit_block(): op.execute(…)."
)
IN_SCRATCH = "It ran in a scratch database:"
IN_A_REHEARSAL = (
    f"{IN_SCRATCH} nothing else was changed. There are no rows in it. If the revision needs none, it "
    "will fail on the live database too: correct it."
)
IN_A_SAVEPOINT = "Statements that may fail go into a savepoint: with op.get_bind().begin_nested(): op.execute(…)."


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn an error that the user can correct into a CommandError: Alembic prints its text only.

    Other errors are bugs and keep their traceback. All lose the secrets of their statements.
    """
    try:
        with _errors_as_sentences():
            yield
    except Exception as error:
        cause = error.__cause__ or error
        note_failure(error, place=_place_of(cause) if isinstance(cause, Exception) else None)
        from alembic_live.runtime.tracebacks import scrub  # only errors need it

        scrub(error)
        record_failure(error)
        raise


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        raise CommandError(printable(as_typed(str(error)))) from error
    except CommandError as error:
        text = str(error)
        if _is_alembics(error):  # a line break in it can only come from a name
            text = one_line(text)
        raise CommandError(printable(as_typed(_say_what_to_do(error, text)))) from error
    except InterpolationError as error:
        # Its text quotes the value, which may be a URL with a password.
        raise CommandError(explain_interpolation_error(error)) from None
    except DBAPIError as error:
        raise CommandError(_explain_failed_statement(error)) from error
    except PendingRollbackError as error:
        # The connection was lost in an autocommit_block, and Alembic then tried to commit.
        lost = _first_of_the_driver(error)
        if lost is None:
            raise
        raise CommandError(explain_lost_connection(lost)) from error
    except SQLAlchemyError as error:
        place = _place_of(error)
        if place is None:
            raise
        raise CommandError(_explain_unsent_statement(error, place)) from error
    except (AttributeError, TypeError) as error:
        place = _place_of(error)
        if place is None or not _needs_a_database(error):
            raise
        raise CommandError(f"{place}: {READS}") from error


def _needs_a_database(error: Exception) -> bool:
    """Whether a revision has asked the connection of `--sql`, whose queries have no result. `db plan`
    and `db lint` say that by themselves.
    """
    is_written = context.is_offline_mode() and context.config.cmd_opts is not None
    asks = re.search("'(NoneType|MockConnection)'", str(error))
    return is_written and (asks is not None or isinstance(error, NoInspectionAvailable))


def _is_alembics(error: BaseException) -> bool:
    """Whether Alembic itself raised it."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_globals.get("__name__", "").startswith("alembic.")


def _say_what_to_do(error: CommandError, text: str) -> str:
    """Add what to do to errors of Alembic that only say what is wrong."""
    if is_about_a_database_behind(error):
        return (
            "The database is not at the newest revision, so Alembic cannot compare it with the models. "
            f"First: uv run alembic upgrade {newest(context.script)}"
        )
    if is_about_several_heads(error):
        heads = ", ".join(context.script.get_heads())
        return (
            f"The history has several heads, {heads}, so the command cannot choose. "
            f"{advice_on_heads(context.script, command_of(context.config))}"
        )
    if overlap := overlap_in(error):
        newest_one, others = overlap
        return (
            f"The version table has {newest_one} and also {others}, which it follows: the revisions "
            f"were moved after they were applied. If the database has all of their changes: uv run "
            f"alembic stamp --purge {newest_one}"
        )
    if relative := relative_target_of(error):
        return explain_too_few_revisions(relative, newest(context.script))
    if is_about_an_unknown_revision(error):
        return (
            f"{text}: no file has it. If the database names it, a newer version has migrated it, "
            "or its file was removed, which `uv run db remove <revision>` repairs. `uv run alembic "
            "history` lists what there is."
        )
    return text


def explain_too_few_revisions(relative: str, to: str = "head") -> str:
    """Explain that there are too few revisions for a relative target, such as `+2` or `-1`.

    Args:
        relative: the target.
        to: what to name to apply everything: `head`, or `heads` if there are several.
    """
    number = relative.lstrip("+-")
    if relative.startswith("-"):
        applied = "no revision is" if number == "1" else f"fewer than {number} revisions are"
        return f"{relative}: {applied} applied. To undo all of them: uv run alembic downgrade base"
    if number == "1":
        if to == "heads":
            return (
                f"{relative}: no revision is left. For other branches: uv run alembic upgrade heads"
            )
        return f"{relative}: no revision is left. The database is at the newest one."
    return (
        f"{relative}: fewer than {number} revisions are left. To apply all of them: "
        f"uv run alembic upgrade {to}"
    )


def explain_driver_error(error: Exception) -> str:
    """Explain an error of the driver. Errors of the server have a code."""
    code = sqlstate(error)
    is_lost = not code or code.startswith(("08", "57P"))
    return explain_lost_connection(error) if is_lost else _explain_failed_statement(error)


def _explain_failed_statement(error: Exception) -> str:
    if getattr(error, "connection_invalidated", False):
        return explain_lost_connection(error)
    place = _place_of(error)
    connection = _connection()
    advice = advice_on(error, role_of(connection.engine) if connection is not None else "")
    if place is None:
        return f"Postgres refused a statement: {reason_of(error)}.{shown_statement(error)}{advice}"
    instead = f" {IN_A_BLOCK}" if sqlstate(error) in _OUTSIDE_ONLY else ""
    return (
        f"{place}: Postgres refused a statement: {reason_of(error)}.{shown_statement(error)}"
        f"{advice}{instead} {_state_of_the_revision(connection, is_wrong=not advice)}"
    )


def _connection() -> Connection | None:
    """The connection of the command; None if env.py has not configured it yet."""
    try:
        return context.get_context().connection
    except Exception:  # Alembic raises no other class
        return None


def _state_of_the_revision(connection: Connection | None, *, is_wrong: bool) -> str:
    """What has become of the revision that failed, and what to do.

    Args:
        connection: the connection that executed it.
        is_wrong: whether the revision needs a correction.
    """
    if connection is not None and is_scratch(connection.engine.url.database or ""):
        if APPLIED in context.config.attributes:
            return IN_A_REHEARSAL
        return (
            f"{IN_SCRATCH} nothing else was changed. Correct the revision, so that it runs in an empty "
            "database. If a database at the head exists, you can start a new history there: delete the "
            "revisions, then uv run alembic stamp --purge base && uv run db baseline"
        )
    if command_of(context.config) == "downgrade":
        state, correct = "still applied", "; correct its downgrade, then run"
    else:
        state, correct = "not marked as applied", "; correct it, then run"
    return (
        f"This revision is {state}{correct if is_wrong else ': after that, run'} the command again."
    )


def _first_of_the_driver(error: BaseException) -> DBAPIError | None:
    """The driver's error that caused another."""
    before = error.__context__
    if before is None or isinstance(before, DBAPIError):
        return before
    return _first_of_the_driver(before)


def _explain_unsent_statement(error: SQLAlchemyError, place: str) -> str:
    text = reason_of(error).split("(Background on")[0].rstrip()
    if found := re.search(r"required for bind parameter '(\w+)'", text):
        text = f'":{found[1]}" is read as a parameter without a value; run_sql() executes SQL unchanged'
    elif "already initialized a SQLAlchemy Transaction" in text:
        text = (
            "begin() cannot begin a transaction, because Alembic has begun one for the revision. "
            f"{IN_A_SAVEPOINT} {IN_A_BLOCK.rstrip('.')}"
        )
    if _needs_a_database(error):
        return f"{place}: {READS}"
    if context.is_offline_mode() and context.config.cmd_opts is None:
        return f"{place}: {text}."  # `db plan` and `db lint` say that it reads the database
    if APPLIED in context.config.attributes:
        return f"{place}: {text}. {IN_A_REHEARSAL}"
    return f"{place}: {text}. Correct the revision, then run the command again."


def explain_lost_connection(error: Exception) -> str:
    """A sentence about a lost connection: where, why, and what to do."""
    place = _place_of(error)
    return (
        f"The connection was lost{f' at {place}' if place else ''}: {reason_of(error)}. "
        "Unfinished work was rolled back: run the command again when the server is back."
    )


def place_in_progress() -> str | None:
    """The file:line at which the current revision is."""
    return _place_in_a_revision(traceback.extract_stack())


def _place_of(error: Exception) -> str | None:
    """The file:line of the statement in its revision; None if no revision executed it."""
    return _place_in_a_revision(traceback.extract_tb(error.__traceback__))


def _place_in_a_revision(frames: traceback.StackSummary) -> str | None:
    folders = folders_of(context.script)
    places = [
        f"{frame.filename}:{frame.lineno}" for frame in frames if is_in(folders, frame.filename)
    ]
    return places[-1] if places else None
