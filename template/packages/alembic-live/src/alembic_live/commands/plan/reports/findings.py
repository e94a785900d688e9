"""What a plan finds, as findings at lines of files: for annotations on GitHub and for SARIF."""

from collections.abc import Iterator
from pathlib import Path

from alembic_live.commands.lint.findings import ERROR, NOTE, WARNING, Finding
from alembic_live.commands.lint.source import function_in
from alembic_live.commands.plan.analysis import HeldLock, Loss
from alembic_live.commands.plan.budget import FAILS
from alembic_live.commands.plan.plan import Plan, Step
from alembic_live.commands.plan.rehearsal.effects import LockMode
from alembic_live.commands.plan.reports.report import describe_lock, describe_loss
from alembic_live.project import Project
from alembic_live.sql.redaction import redacted

SEVERITY = (ERROR, WARNING, NOTE)


def findings_of(project: Project, plan: Plan) -> list[Finding]:
    """What goes beyond the limits, the failure, the locks that others wait for, the losses, and what
    `db lint` finds. The worst come first: GitHub shows ten annotations of a level.
    """
    found = [finding for step in plan.steps for finding in _of_step(project, plan, step)]
    return sorted(
        found, key=lambda each: (SEVERITY.index(each.level), each not in plan.beyond_limits)
    )


def failed_step(plan: Plan) -> Step | None:
    """The revision that fails. Those after it are not run."""
    return next((step for step in plan.steps if step.rehearsed.failure is not None), None)


def failure_of(project: Project, step: Step) -> str:
    """Why a revision fails, with paths from the project's folder."""
    return redacted(step.rehearsed.failure or "").replace(f"{project.folder}/", "")


def _of_step(project: Project, plan: Plan, step: Step) -> Iterator[Finding]:
    path = Path(step.rehearsed.revision.path)
    function = function_in(path, "downgrade" if plan.is_downgrade else "upgrade")
    start = function.lineno if function else 1
    if step is failed_step(plan):
        line = step.rehearsed.failed_line
        message = failure_of(project, step).removeprefix(f"{step.file(project)}:{line}:").strip()
        yield Finding(path, line if line > 1 else start, FAILS, message, level=ERROR)
    for lock in step.locks:
        if rule := _rule(lock):
            yield Finding(path, lock.line, rule, describe_lock(plan, lock), level=_level(lock))
    for loss in step.losses:
        line = _line_of(step, loss) or start
        yield Finding(path, line, "loses-data", f"Lost: {describe_loss(plan, loss)}", level=WARNING)
    yield from step.findings


def _rule(held: HeldLock) -> str | None:
    if not held.blocks:
        return None
    if held.taken.mode.blocks_reads:
        return "blocks-reads"
    return "blocks-writes" if held.taken.mode.blocks_writes else "blocks-rows"


def _level(held: HeldLock) -> str:
    """A lock without work is held for a moment, and row locks concern few."""
    if not held.during or not held.taken.mode.blocks_writes:
        return NOTE
    return ERROR if held.taken.mode is LockMode.ACCESS_EXCLUSIVE else WARNING


def _line_of(step: Step, loss: Loss) -> int | None:
    """The line of the statement that removes the rows, or else of the strongest lock on the table."""
    removing = [each.line for each in step.rehearsed.statements if loss.table in each.emptied]
    if loss.what == "rows" and removing:
        return removing[0]
    locks = [each for each in step.locks if each.taken.relation == loss.table]
    return max(locks, key=lambda lock: lock.taken.mode).line if locks else None
