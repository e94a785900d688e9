"""Which revisions a command would apply or take back, as Alembic itself decides it."""

import re
from contextlib import suppress
from typing import NamedTuple

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

_DOWN = re.compile(r"(?:.+@)?(?:-\d+|base)")


class Steps(NamedTuple):
    """Revisions in the order of their turn."""

    revisions: list[Script]
    is_downgrade: bool


def steps_to(script: ScriptDirectory, target: str, current: tuple[str, ...]) -> Steps:
    """What `upgrade` or `downgrade` to a target would go through. It is a downgrade where the target
    is behind the current revisions.

    Args:
        script: the history.
        target: whatever the two commands take: `heads`, `+2`, `-1`, `base`, the beginning of an id.
        current: the database's revisions.

    Raises:
        CommandError: there is no such revision, or it cannot be reached from there.
    """
    if _DOWN.fullmatch(target):
        return Steps(_down(script, target, current), True)
    if revisions := _up(script, target, current):
        return Steps(revisions, False)
    if not _is_among(script, target, current):
        with suppress(CommandError):
            return Steps(_down(script, target, current), True)
    return Steps([], False)


def steps_between(script: ScriptDirectory, lower: str, upper: str) -> Steps:
    """Those of a range: an upgrade from one revision to another, or a downgrade.

    Raises:
        CommandError: there is no such revision, or no way between them.
    """
    start = tuple(each.revision for each in script.get_revisions(lower or "base") if each)
    return steps_to(script, upper or "heads", start)


def _is_among(script: ScriptDirectory, target: str, current: tuple[str, ...]) -> bool:
    with suppress(CommandError):
        return {each.revision for each in script.get_revisions(target) if each} <= set(current)
    return False  # a relative one


# Alembic has no public names for what its commands ask.


def _up(script: ScriptDirectory, target: str, current: tuple[str, ...]) -> list[Script]:
    return [step.revision for step in script._upgrade_revs(target, current)]  # type: ignore[arg-type]


def _down(script: ScriptDirectory, target: str, current: tuple[str, ...]) -> list[Script]:
    return [step.revision for step in script._downgrade_revs(target, current)]  # type: ignore[arg-type]
