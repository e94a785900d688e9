"""The revisions that `upgrade` or `downgrade` would run, as Alembic itself computes them."""

import re
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from alembic_live.history.graph import names_of
from alembic_live.history.heads import explain_ambiguity, newest
from alembic_live.history.new_revisions import base_commit, new_revisions
from alembic_live.internals.alembic import AmbiguousTargetError, relative_target_of, walked
from alembic_live.project import Project
from alembic_live.runtime.explanations import explain_too_few_revisions

_DOWN = re.compile(r"(?:.+@)?(?:-\d+|base)")


class Steps(NamedTuple):
    """Revisions in the order in which they run.

    Attributes:
        revisions: the revisions.
        is_downgrade: whether they are undone.
        current: those that the database has before them.
        target: of `upgrade` or `downgrade`, which leads to the end.
    """

    revisions: list[Script]
    is_downgrade: bool
    current: tuple[str, ...]
    target: str


def steps_to(script: ScriptDirectory, target: str, current: tuple[str, ...]) -> Steps:
    """The revisions between the current ones and a target. If the target is in the history of the
    current revisions, it is a downgrade.

    Args:
        script: the history.
        target: any target of the two commands: `heads`, `+2`, `-1`, `base`, a partial id.
        current: the revisions of the database.

    Raises:
        CommandError: there is no such revision, or no path to it.
    """
    if _DOWN.fullmatch(target):
        return Steps(_down(script, target, current), True, current, target)
    if revisions := _up(script, target, current):
        return Steps(revisions, False, current, target)
    if not _is_current(script, target, current):
        with suppress(CommandError):
            return Steps(_down(script, target, current), True, current, target)
    return Steps([], False, current, target)


def steps_between(script: ScriptDirectory, lower: str, upper: str) -> Steps:
    """The revisions of a range: an upgrade from one revision to another, or a downgrade.

    Raises:
        CommandError: there is no such revision, or no path between the two.
    """
    start = tuple(each.revision for each in script.get_revisions(lower or "base") if each)
    return steps_to(script, upper or "heads", start)


def steps_since(project: Project, since: str | None = None) -> Steps:
    """The revisions that are new since a commit: an upgrade from the heads that it had.

    Args:
        project: the project.
        since: a commit or branch. Default: the main branch.

    Raises:
        CommandError: git has no such commit, or fails.
    """
    script = project.script
    new = new_revisions(project, script, base_commit(project, since))
    names = {revision.revision for revision in new}
    old = {each.revision for each in script.walk_revisions()} - names
    followed = {
        parent
        for each in map(script.get_revision, old)
        for parent in (*names_of(each.down_revision), *names_of(each.dependencies))
    }
    return Steps(new, False, tuple(sorted(old - followed)), "heads")


def _is_current(script: ScriptDirectory, target: str, current: tuple[str, ...]) -> bool:
    with suppress(CommandError):
        return {each.revision for each in script.get_revisions(target) if each} <= set(current)
    return False  # a relative target


def _up(script: ScriptDirectory, target: str, current: tuple[str, ...]) -> list[Script]:
    walk = partial(script.iterate_revisions, target, current, implicit_base=True)
    try:
        return walked(script, walk, target, "upgrade")[::-1]
    except AmbiguousTargetError as error:
        raise CommandError(explain_ambiguity(script, current, is_upgrade=True)) from error
    except CommandError as error:
        if relative := relative_target_of(error):
            text = explain_too_few_revisions(relative, newest(script))
            raise CommandError(text) from error
        raise


def _down(script: ScriptDirectory, target: str, current: tuple[str, ...]) -> list[Script]:
    walk = partial(script.iterate_revisions, current, target, select_for_downgrade=True)
    try:
        return walked(script, walk, target, "downgrade")
    except AmbiguousTargetError as error:
        raise CommandError(explain_ambiguity(script, current, is_upgrade=False)) from error
