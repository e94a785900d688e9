"""The outcome of a command that a signal stopped: what is applied, and what is not."""

from collections.abc import Sequence
from typing import Any

from alembic_live.internals.alembic import is_revision_step

MOST = 3  # revisions that a sentence names
STATUS = "`uv run db status` shows the database's revision."


def describe_outcome(
    done: Sequence[Any],
    left: Sequence[Any],
    heads: Sequence[str] | None,
    *,
    is_split: bool,
) -> str:
    """Sentences for the user.

    Args:
        done: Alembic's steps that were committed.
        left: the other steps, as far as is known. The first may be in progress.
        heads: the current revisions of the database; None if it did not answer.
        is_split: whether an autocommit_block has begun in the step in progress.
    """
    steps = [*done, *left]
    if not steps or not all(map(is_revision_step, steps)):  # alembic stamp
        if heads is None:
            return STATUS
        return f"The database is at {', '.join(heads) or 'no revision'}."
    number = len(done)
    if left and heads is not None and (_name(left[0]) in heads) == left[0].is_upgrade:
        number += 1  # the signal arrived after the commit
    verb = "applied" if steps[0].is_upgrade else "downgraded"
    sentences = []
    if done := steps[:number]:
        sentences.append(f"{verb.capitalize()}: {_names(done)}.")
    if left := steps[number:]:
        sentences.append(f"Not {verb}: {_names(left)}.")
        if heads is None:
            sentences.append(f"{_name(left[0])} may have been committed: {STATUS}")
        elif is_split:
            sentences.append(
                f"What {_name(left[0])} did before and in its autocommit_block stays. Operations of "
                "alembic_live repair their part at the next run."
            )
    return " ".join(sentences)


def _names(steps: Sequence[Any]) -> str:
    named = ", ".join(map(_name, steps[:MOST]))
    return f"{named} and {len(steps) - MOST} more" if len(steps) > MOST else named


def _name(step: Any) -> str:
    return str(step.revision.revision)
