"""The report of a plan for people."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from alembic_live.commands.plan.analysis import HeldLock, Loss
from alembic_live.commands.plan.plan import Plan, Step
from alembic_live.commands.plan.rehearsal.effects import RelationName, Work, WorkKind
from alembic_live.commands.plan.rehearsal.statement import RehearsedStatement
from alembic_live.history.graph import title_of
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.sql.redaction import redacted

_UNITS = (("year", 365), ("month", 30), ("week", 7), ("day", 1))


def heading(plan: Plan) -> str:
    """One sentence about the plan."""
    current = one_line(", ".join(plan.current)) or "base"
    if not plan.steps:
        where = f"{plan.database} is at" if plan.database else "there is no revision after"
        return f"Nothing to do: {where} {current}."
    what = "Downgrade" if plan.is_downgrade else "Upgrade"
    number = f"{len(plan.steps)} revision{'' if len(plan.steps) == 1 else 's'}"
    where = f" of {plan.database}" if plan.database else ""
    return (
        f"{what}{where} from {current}, {number}. Rehearsed on a scratch database with empty tables. "
        "Nothing else is changed."
    )


def as_text(project: Project, plan: Plan, *, verbose: bool = False) -> Iterator[str]:
    """The lines of the report.

    Args:
        project: the project.
        plan: the plan.
        verbose: whether to show the SQL, and what each statement does.
    """
    for number, step in enumerate(plan.steps, start=1):
        when = f" ({_age(step.created)})" if step.created else ""
        yield f"{number}. {step.revision}  {title_of(step.rehearsed.revision)}{when}"
        yield f"   {step.file(project)}"
        if verbose:
            yield from _statements(plan, step)
        yield from _sections(project, plan, step)
        yield ""
    if plan.not_linted:
        yield f"Not linted: {plan.not_linted}"


def _sections(project: Project, plan: Plan, step: Step) -> Iterator[str]:
    schema = step.rehearsed.schema
    failure = step.rehearsed.failure
    sections: dict[str, list[str]] = {
        "Fails": [] if failure is None else [redacted(failure)],
        "Locks": [describe_lock(plan, lock) for lock in step.locks],
        "Makes": _joined(str(item.identity) for item in schema.made),
        "Changes": [
            *(f"{old.identity} to {new.identity}" for old, new in schema.renamed),
            *(f"{old.identity} from {old.type} to {new.type}" for old, new in schema.retyped),
        ],
        "Drops": _joined(str(item.identity) for item in schema.dropped),
        "Lost": [describe_loss(plan, loss) for loss in step.losses],
        "Replication": step.replication,
        "No way back": [] if (reason := step.irreversible) is None else [reason],
        "Findings": [
            f"{each.place(project)}: {each.rule}: {each.message}" for each in step.findings
        ],
    }
    if not any(sections.values()):
        yield "   Nothing that others notice."
    for title, lines in sections.items():
        if lines:
            yield f"   {title}:"
            yield from (f"     {line}" for line in lines)


def _joined(names: Iterator[str]) -> list[str]:
    text = ", ".join(map(one_line, names))
    return [text] if text else []


def _statements(plan: Plan, step: Step) -> Iterator[str]:
    for statement in filter(is_shown, step.rehearsed.statements):
        yield ""
        for number, line in enumerate(redacted(statement.sql).strip().split("\n")):
            mark = f"{statement.line:>5}  " if number == 0 else " " * 7
            yield f"{mark}{line}".rstrip()
        for lock in statement.locks:
            yield f"         {plan.shown(lock.relation)}: {lock.mode}{' (new)' if lock.is_new else ''}"
        yield from (f"         {describe_work(plan, work)}" for work in statement.works)
    yield ""


def is_shown(statement: RehearsedStatement) -> bool:
    """Whether a statement is the revision's own, or one of the library's operations that does
    something. The operations look at the catalog first.
    """
    return not statement.is_safe or bool(statement.locks or statement.works)


def describe_lock(plan: Plan, held: HeldLock) -> str:
    """A lock for people: `notes (120 MB, about 3,000 rows): ACCESS EXCLUSIVE, blocks …`."""
    if held.taken.is_new:
        return f"{plan.shown(held.taken.relation)}: new, so no query waits"
    blocks = f"blocks {held.blocks}" if held.blocks else "blocks neither reading nor writing"
    how_long = describe_duration(plan, held)
    return f"{describe_locked(plan, held)}: {held.taken.mode}, {blocks} {how_long}".rstrip()


def describe_locked(plan: Plan, held: HeldLock) -> str:
    """What is locked: `notes (120 MB, about 3,000 rows)`."""
    taken = held.taken
    name = plan.shown(taken.relation)
    if taken.relation != taken.table:
        name = f"{name} of {plan.shown(taken.table)}"
    return f"{name} ({_size(plan, taken.table)})"


def describe_duration(plan: Plan, held: HeldLock) -> str:
    """How long a lock is held: `while it reads notes`, or `for a moment`."""
    if held.during:
        duration = plan.duration(held.during)
        seconds = f"for {duration}, " if duration and held.blocks else ""
        return f"{seconds}while it {describe_works(plan, held.during)}"
    return "for a moment" if held.blocks else ""


def describe_works(plan: Plan, works: Iterable[Work]) -> str:
    """Works for people: `reads notes and builds ix_notes_title on notes`. Those on the partitions of a
    table are summed up.
    """
    groups: dict[tuple[WorkKind, RelationName], list[Work]] = {}
    for work in works:
        groups.setdefault((work.kind, plan.whole(work.table)), []).append(work)
    texts = []
    for (kind, table), some in groups.items():
        if len(some) == 1 or table == some[0].table:
            texts += [describe_work(plan, work) for work in some]
        else:
            texts.append(f"{kind} {plan.shown(table)} ({len(some)} partitions)")
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def describe_work(plan: Plan, work: Work) -> str:
    """Work for people: `reads notes`."""
    table = plan.shown(work.table)
    if work.kind is WorkKind.BUILDS and work.index:
        return f"builds {plan.shown(work.index)} on {table}"
    if work.kind is WorkKind.COMPARES and work.other:
        return f"compares {table} with {plan.shown(work.other)}"
    return f"{work.kind} {table}"


def describe_loss(plan: Plan, loss: Loss) -> str:
    """A loss for people: `column notes.title, of about 3,000 rows`."""
    if loss.table is None:
        return one_line(f"{loss.what} {loss.name}")
    table, rows = plan.shown(loss.table), describe_rows(plan.rows(loss.table))
    if loss.what == "column":
        return f"column {table}.{one_line(loss.name)}, of {rows}"
    if loss.what == "rows":
        return f"rows of {table}, {'some of ' if loss.is_selective else ''}{rows}"
    return f"{loss.what} {table}, {rows}"


def _size(plan: Plan, table: RelationName) -> str:
    size = plan.sizes.get(table)
    return f"{_pretty(size.bytes)}, {describe_rows(size.rows)}" if size else "size unknown"


def describe_rows(rows: int | None) -> str:
    """A number of rows for people."""
    if rows is None:
        return "an unknown number of rows"
    return f"about {rows:,} row{'' if rows == 1 else 's'}" if rows else "no rows"


def _pretty(size: float) -> str:
    """The size in the format of pg_size_pretty(), roughly."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024 * 10 and (unit != "bytes" or size < 1024):
            break
        size, unit = size / 1024, "TB"
    return f"{size:,.0f} {unit}"


def _age(created: datetime) -> str:
    """A text such as `3 weeks ago`."""
    past = datetime.now(UTC) - created
    if past < timedelta(0):
        return f"on {created:%Y-%m-%d}"
    number, unit = next(
        ((past.days // days, unit) for unit, days in _UNITS if past.days >= days),
        (past.seconds // 3600, "hour"),
    )
    if number == 0:
        number, unit = past.seconds // 60, "minute"
    return f"{number} {unit}{'' if number == 1 else 's'} ago" if number else "just now"
