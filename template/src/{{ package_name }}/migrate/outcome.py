"""What a command that was stopped has done, and what it has not."""

from collections.abc import Sequence
from typing import Any

from alembic.runtime.migration import RevisionStep

MOST = 3  # revisions that are listed by name
STATUS = "`uv run db status` shows the database's revision."


def describe_outcome(
    done: Sequence[Any],
    left: Sequence[Any],
    heads: Sequence[str] | None,
    *,
    is_split: bool,
) -> str:
    """Sentences for a person.

    Args:
        done: Alembic's steps that were committed.
        left: those that were not, as far as is known. The first may be in progress.
        heads: the revisions that the database is at; None where it did not answer.
        is_split: whether the step in progress has an autocommit_block that began.
    """
    steps = [*done, *left]
    if not steps or not all(isinstance(step, RevisionStep) for step in steps):  # alembic stamp
        if heads is None:
            return STATUS
        return f"The database is at {', '.join(heads) or 'no revision'}."
    number = len(done)
    if left and heads is not None and (_name(left[0]) in heads) == left[0].is_upgrade:
        number += 1  # the signal came after the commit
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
                f"What {_name(left[0])} did in its autocommit_block stays; the next run of "
                "create_index_concurrently repairs its index."
            )
    return " ".join(sentences)


def _names(steps: Sequence[RevisionStep]) -> str:
    named = ", ".join(map(_name, steps[:MOST]))
    return f"{named} and {len(steps) - MOST} more" if len(steps) > MOST else named


def _name(step: RevisionStep) -> str:
    return step.revision.revision
