"""A plan, its report for people, and its JSON."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alembic.script import Script

from alembic_live.commands.lint.findings import Finding
from alembic_live.commands.lint.revision_sql import RevisionSQL
from alembic_live.commands.plan.analysis import Loss, RevisionEffects, TableLock
from alembic_live.commands.plan.catalog import Catalog
from alembic_live.history.graph import title_of
from alembic_live.history.irreversible import why_irreversible
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.sql.redaction import redacted

_UNITS = (("year", 365), ("month", 30), ("week", 7), ("day", 1))


@dataclass(frozen=True, slots=True)
class Step:
    """One revision of a plan."""

    revision: Script
    sql: RevisionSQL  # its own statements
    effects: RevisionEffects
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Plan:
    """The revisions that a command would run, in order."""

    database: str | None  # None for a range
    current: tuple[str, ...]
    is_downgrade: bool
    steps: list[Step]
    catalog: Catalog  # after the last step
    not_linted: str | None  # the reason, if lint could not run


def heading(plan: Plan) -> str:
    """One sentence about the plan."""
    current = one_line(", ".join(plan.current)) or "base"
    if not plan.steps:
        where = f"{plan.database} is at" if plan.database else "there is no revision after"
        return f"Nothing to do: {where} {current}."
    what = "Downgrade" if plan.is_downgrade else "Upgrade"
    number = f"{len(plan.steps)} revision{'' if len(plan.steps) == 1 else 's'}"
    where = f" of {plan.database}" if plan.database else ""
    return f"{what}{where} from {current}, {number}. Nothing is executed."


def as_text(project: Project, plan: Plan) -> Iterator[str]:
    """The lines of the report."""
    for number, step in enumerate(plan.steps, start=1):
        created = _created_at(step.revision)
        when = f" ({_age(created)})" if created else ""
        yield f"{number}. {step.revision.revision}  {title_of(step.revision)}{when}"
        yield f"   {_path(project, step)}"
        yield ""
        for statement in step.sql.statements:
            yield from (f"       {line}".rstrip() for line in redacted(statement.sql).split("\n"))
        if not step.sql.statements and not step.sql.failure:
            yield "       -- nothing"
        yield ""
        yield from _sections(project, plan.catalog, step)
    if plan.not_linted:
        yield f"Not linted: {plan.not_linted}"


def _sections(project: Project, catalog: Catalog, step: Step) -> Iterator[str]:
    sections: dict[str, list[str]] = {
        "Unknown": [
            *(
                [
                    f"the rest of the revision, which {'fails' if step.sql.mistake else 'reads the database'} "
                    f"({step.sql.failure})"
                ]
                if step.sql.failure
                else ()
            ),
            *(f"the locks of: {_shortened(_on_one_line(sql))}" for sql in step.effects.unknown),
        ],
        "Locks": [_describe_lock(catalog, lock) for lock in step.effects.locks.values()],
        "Lost": [_describe_loss(loss) for loss in step.effects.losses],
        "Replication": step.effects.replication,
        "No way back": [] if (reason := _why_irreversible(step)) is None else [reason],
        "Lint": [f"{each.place(project)}: {each.rule}: {each.message}" for each in step.findings],
    }
    for title, lines in sections.items():
        if lines:
            yield f"   {title}:"
            yield from (f"     {line}" for line in lines)
    if any(sections.values()):
        yield ""


def _why_irreversible(step: Step) -> str | None:
    """Why the revision cannot be undone. None if it can be."""
    reason = why_irreversible(Path(step.revision.path))
    return reason if reason != "" else "the downgrade raises an error"


def as_object(project: Project, plan: Plan) -> dict[str, Any]:
    """The object that `--json` prints. The template's docs/how-to/plan.md describes the keys."""
    return {
        "database": plan.database,
        "current": list(plan.current),
        "direction": "downgrade" if plan.is_downgrade else "upgrade",
        "steps": [_step_object(project, plan.catalog, step) for step in plan.steps],
        "not_linted": plan.not_linted,
    }


def _step_object(project: Project, catalog: Catalog, step: Step) -> dict[str, Any]:
    created = _created_at(step.revision)
    return {
        "revision": step.revision.revision,
        "message": title_of(step.revision),
        "created": created.isoformat() if created else None,
        "file": _path(project, step),
        "sql": [redacted(statement.sql) for statement in step.sql.statements],
        "incomplete": step.sql.failure,
        "irreversible": _why_irreversible(step),
        "locks": [
            {
                "table": catalog.shown(lock.table),
                "lock": str(lock.mode),
                "blocks": lock.mode.blocks or None,
                "during": [
                    {"work": str(work), "table": catalog.shown(of)} for work, of in lock.during
                ],
                "is_new": lock.facts.is_new,
                "bytes": lock.facts.bytes,
                "rows": lock.facts.rows,
            }
            for lock in step.effects.locks.values()
        ],
        "unknown": [_on_one_line(sql) for sql in step.effects.unknown],
        "losses": [loss._asdict() for loss in step.effects.losses],
        "replication": step.effects.replication,
        "findings": [
            {
                "rule": each.rule,
                "line": each.line,
                "message": each.message,
                "remedy": each.remedy,
            }
            for each in step.findings
        ],
    }


def _describe_lock(catalog: Catalog, lock: TableLock) -> str:
    name = catalog.shown(lock.table)
    if lock.facts.is_new:
        return f"{name}: new, so no query waits"
    blocks = (
        f"blocks {lock.mode.blocks}" if lock.mode.blocks else "blocks neither reading nor writing"
    )
    works = [f"{work} {catalog.shown(of)}" for work, of in lock.during]
    how_long = f" while it {' and '.join(works)}" if works else ""
    if not works and lock.mode.blocks:
        how_long = " for a moment"
    return f"{name} ({_size(lock)}): {lock.mode}, {blocks}{how_long}"


def _size(lock: TableLock) -> str:
    if lock.facts.bytes is None and lock.facts.rows is None:
        return "size unknown"
    size = "size unknown" if lock.facts.bytes is None else _pretty(lock.facts.bytes)
    return f"{size}, {_rows(lock.facts.rows)}"


def _describe_loss(loss: Loss) -> str:
    name = one_line(loss.name)
    if loss.what == "enum value":
        return f"enum value {name}"
    if loss.what == "column":
        return f"column {name}, of {_rows(loss.rows)}"
    what = f"rows of {name}" if loss.what == "rows" else f"{loss.what} {name}"
    return what if loss.what == "schema" else f"{what}, {_rows(loss.rows)}"


def _rows(rows: int | None) -> str:
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


def _on_one_line(sql: str) -> str:
    return " ".join(redacted(sql).split())


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"


def _path(project: Project, step: Step) -> str:
    return Path(step.revision.path).relative_to(project.folder).as_posix()


def _created_at(revision: Script) -> datetime | None:
    """The Create Date in the docstring of a revision; None if it is missing or unreadable."""
    found = re.search(r"^Create Date: (.+)$", revision.module.__doc__ or "", re.MULTILINE)
    with suppress(ValueError):
        date = datetime.fromisoformat(found[1].strip()) if found else None
        return date.replace(tzinfo=date.tzinfo or UTC) if date else None
    return None


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
