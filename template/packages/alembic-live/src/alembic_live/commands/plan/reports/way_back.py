"""The commands that undo a plan."""

from collections.abc import Iterator
from typing import NamedTuple

from alembic.script import ScriptDirectory

from alembic_live.commands.plan.plan import Plan
from alembic_live.project import Project
from alembic_live.sql.quoting import word


class WayBack(NamedTuple):
    """How to undo a plan.

    Attributes:
        commands: to run in this order.
        obstacles: sentences that say why it cannot be undone.
    """

    commands: list[str]
    obstacles: list[str]


def way_back(project: Project, plan: Plan) -> WayBack:
    """How to return to the revisions that a plan begins at."""
    if plan.is_downgrade:
        return WayBack([f"uv run alembic upgrade {word(each)}" for each in plan.current], [])
    obstacles = [
        f"{step.revision} cannot be undone: {reason}"
        for step in plan.steps
        if (reason := step.irreversible) is not None
    ]
    targets = _downgrades(project, plan)
    return WayBack([f"uv run alembic downgrade {word(each)}" for each in targets], obstacles)


def _downgrades(project: Project, plan: Plan) -> Iterator[str]:
    """The targets of downgrades. Each undoes what follows one of the revisions of before."""
    if not plan.current:
        yield "base"
        return
    script = project.script
    rest = {step.revision for step in plan.steps}
    for revision in plan.current:
        if followers := _followers(script, revision, rest):
            yield revision
            rest -= followers
    for step in plan.steps:  # branches that begin in the plan
        revision = step.revision
        if revision in rest and step.rehearsed.revision.down_revision is None:
            yield f"{revision}@base"
            rest -= {revision, *_followers(script, revision, rest)}


def _followers(script: ScriptDirectory, revision: str, among: set[str]) -> set[str]:
    found: set[str] = set()
    waiting = [revision]
    while waiting:
        new = (script.get_revision(waiting.pop()).nextrev & among) - found
        found |= new
        waiting += new
    return found
