"""The report of a plan as Markdown, for a comment on a pull request."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from alembic_live.commands.lint.findings import Finding
from alembic_live.commands.plan.analysis import HeldLock
from alembic_live.commands.plan.budget import FAILS
from alembic_live.commands.plan.plan import Plan
from alembic_live.commands.plan.reports.escaping import code, comment, fenced, prose
from alembic_live.commands.plan.reports.findings import failed_step, failure_of
from alembic_live.commands.plan.reports.report import (
    describe_duration,
    describe_locked,
    describe_loss,
    heading,
)
from alembic_live.commands.plan.reports.way_back import way_back
from alembic_live.history.git import folder_in_repository
from alembic_live.history.graph import title_of
from alembic_live.project import Project

LONGEST = 65_000  # GitHub refuses a comment with more than 65,536 characters
KEPT = 10  # items of each section
MOST_NAMES = 5  # in a sentence


@dataclass(slots=True)
class Section:
    """A part of the report.

    Attributes:
        before: the lines above its items, such as a title.
        items: one line for each. The last ones are left out if the report is too long.
        after: the lines below the items.
        left_out: how many items are left out.
    """

    before: list[str]
    items: list[str]
    after: list[str] = field(default_factory=list)
    left_out: int = 0

    def lines(self) -> list[str]:
        """Its lines; none without an item."""
        if not self.items and not self.left_out:
            return []
        note = f"{self.left_out:,} more lines are left out: the comment would be too long."
        end = ["", note] if self.left_out else []
        return [*self.before, *self.items, *self.after, *end, ""]


def as_markdown(project: Project, plan: Plan) -> str:
    """The report. Its first line is a comment that names the project, so that a program finds the
    report again and updates it.
    """
    folder = folder_in_repository(project).rstrip("/")
    where = f" of {folder}" if folder else ""
    title = f"### Migrations{f' of {code(folder)}' if folder else ''}"
    top = [comment(f"alembic-live: db plan{where}"), title, ""]
    if not plan.steps:
        return "\n".join([*top, prose(heading(plan)), ""])
    top += [prose(heading(plan)), "", _summary(plan), ""]
    locks, lost, difference = _locks(plan), _losses(plan), _differences(plan)
    failures, findings = _failures(project, plan), _findings(project, plan)
    beyond = _beyond_limits(project, plan)
    revisions, replication, back = _revisions(plan), _replication(plan), _way_back(project, plan)
    sections = [revisions, beyond, locks, lost, failures, replication, findings, back, difference]
    _shorten(
        top, sections, [difference, replication, findings, revisions, lost, locks, back, beyond]
    )
    return _text(top, sections)


def _shorten(top: list[str], sections: list[Section], order: Sequence[Section]) -> None:
    """Leave out items of the sections that matter least, until the report is short enough. Each
    section keeps a few items, if that is possible.
    """
    for kept in (KEPT, 0):
        for section in order:
            while (excess := _length(_text(top, sections)) - LONGEST) > 0:
                if len(section.items) <= kept:
                    break
                while excess > 0 and len(section.items) > kept:
                    section.left_out += 1
                    excess -= _length(section.items.pop()) + 1


def _text(top: list[str], sections: list[Section]) -> str:
    return "\n".join([*top, *(line for section in sections for line in section.lines())])


def _length(text: str) -> int:
    """The number of characters, as JavaScript counts them: the most that a limit can count."""
    return len(text.encode("utf-16-le")) // 2


def _summary(plan: Plan) -> str:
    """One sentence for each thing that a reviewer must know."""
    held = [lock for step in plan.steps for lock in step.locks if lock.blocks]
    reads = _locked(plan, (lock for lock in held if lock.taken.mode.blocks_reads))
    writes = _locked(plan, (lock for lock in held if lock.taken.mode.blocks_writes))
    only_writes = [name for name in writes if name not in reads]
    losses = [describe_loss(plan, loss) for step in plan.steps for loss in step.losses]
    failed = failed_step(plan)
    beyond = _limits(plan)
    findings = sum(len(step.findings) for step in plan.steps) - len(beyond)
    parts = [
        f"**{code(failed.revision)} fails.**" if failed else "",
        "**Goes beyond the limits.**" if beyond else "",
        f"**Blocks reading and writing** of {_some(reads)}." if reads else "",
        f"**Blocks writing** of {_some(only_writes)}." if only_writes else "",
        "" if writes or failed else "Blocks no reading and no writing.",
        f"**Loses data:** {_some(losses, '; ')}." if losses else "",
        "" if losses or failed else "Loses no data.",
        f"{findings} finding{'' if findings == 1 else 's'} of `db lint`." if findings else "",
    ]
    return " ".join(filter(None, parts))


def _locked(plan: Plan, locks: Iterable[HeldLock]) -> list[str]:
    return list(dict.fromkeys(plan.shown(lock.taken.relation) for lock in locks))


def _some(texts: list[str], separator: str = ", ") -> str:
    shown = separator.join(prose(text) for text in texts[:MOST_NAMES])
    return f"{shown} and {len(texts) - MOST_NAMES} more" if len(texts) > MOST_NAMES else shown


def _table(title: str, columns: list[str], rows: list[list[str]]) -> Section:
    head = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    before = [f"#### {title}", "", *head] if title else head
    return Section(before, [f"| {' | '.join(row)} |" for row in rows])


def _list(title: str, items: list[str]) -> Section:
    return Section([f"#### {title}", ""], [f"- {item}" for item in items])


def _revisions(plan: Plan) -> Section:
    rows = [[code(step.revision), prose(title_of(step.rehearsed.revision))] for step in plan.steps]
    return _table("", ["Revision", "Message"], rows)


def _locks(plan: Plan) -> Section:
    """The locks that others wait for."""
    rows = [
        [
            code(step.revision),
            str(lock.line),
            prose(describe_locked(plan, lock)),
            str(lock.taken.mode),
            lock.blocks,
            prose(describe_duration(plan, lock)),
        ]
        for step in plan.steps
        for lock in step.locks
        if lock.blocks
    ]
    columns = ["Revision", "Line", "Table", "Lock", "Blocks", "How long"]
    return _table("Locks", columns, rows)


def _losses(plan: Plan) -> Section:
    return _list(
        "Lost",
        [
            f"{code(step.revision)}: {prose(describe_loss(plan, loss))}"
            for step in plan.steps
            for loss in step.losses
        ],
    )


def _failures(project: Project, plan: Plan) -> Section:
    failed = failed_step(plan)
    if failed is None:
        return _list("Fails", [])
    items = [f"{code(failed.revision)}: {prose(failure_of(project, failed))}"]
    if rest := len(plan.steps) - plan.steps.index(failed) - 1:
        items.append(f"{rest} later revision{'' if rest == 1 else 's'} could not be rehearsed.")
    return _list("Fails", items)


def _replication(plan: Plan) -> Section:
    notes = [(step, note) for step in plan.steps for note in step.replication]
    return _list("Replication", [f"{code(step.revision)}: {prose(note)}" for step, note in notes])


def _findings(project: Project, plan: Plan) -> Section:
    findings = [finding for step in plan.steps for finding in step.findings]
    items = [_finding(project, each) for each in findings if each not in plan.beyond_limits]
    if plan.not_linted:
        items.append(f"Not linted: {prose(plan.not_linted)}")
    return _list("Lint", items)


def _beyond_limits(project: Project, plan: Plan) -> Section:
    return _list("Beyond the limits", [_finding(project, each) for each in _limits(plan)])


def _limits(plan: Plan) -> list[Finding]:
    return [each for each in plan.beyond_limits if each.rule != FAILS]


def _finding(project: Project, finding: Finding) -> str:
    text = f"{finding.message} {finding.advice}"
    return f"{code(finding.place(project))} {code(finding.rule)}: {prose(text)}"


def _way_back(project: Project, plan: Plan) -> Section:
    way = way_back(project, plan)
    title = ["#### How to go back", ""]
    if way.obstacles:
        return Section(title, [f"- {prose(text)}" for text in way.obstacles])
    fence, *commands, end = fenced("sh", way.commands)
    loses = any(step.losses for step in plan.steps)
    after = ["", "Lost data stay lost."] if loses else []
    return Section([*title, fence], commands, [end, *after])


def _differences(plan: Plan) -> Section:
    """The difference of the schema, which a click shows."""
    differences = plan.differences or []
    fence, *lines, end = fenced(
        "diff", [line for each in differences for line in each.text.split("\n")]
    )
    objects = f"{len(differences)} object{'' if len(differences) == 1 else 's'}"
    before = ["<details>", f"<summary>Difference of the schema: {objects}</summary>", "", fence]
    return Section(before, lines, [end, "</details>"])
