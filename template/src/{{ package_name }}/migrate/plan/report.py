"""A plan as text for people, and as an object for machines."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...paths import PROJECT_ROOT
from ...printable import one_line
from ..commands.plan import Plan, Step
from ..redaction import redacted
from .age import age, created_at
from .losses import Loss
from .walk import Lock
from .world import World


def heading(plan: Plan) -> str:
    """What is planned, in a sentence."""
    current = one_line(", ".join(plan.current)) or "base"
    if not plan.steps:
        where = f"{plan.database} is at" if plan.database else "there is no revision after"
        return f"Nothing to do: {where} {current}."
    what = "Downgrade" if plan.is_downgrade else "Upgrade"
    number = f"{len(plan.steps)} revision{'' if len(plan.steps) == 1 else 's'}"
    where = f" of {plan.database}" if plan.database else ""
    return f"{what}{where} from {current}, {number}. Nothing is executed."


def as_text(plan: Plan) -> Iterator[str]:
    """Lines."""
    for number, step in enumerate(plan.steps, start=1):
        created = created_at(step.revision)
        when = f" ({age(created)})" if created else ""
        yield f"{number}. {step.revision.revision}  {step.revision.doc}{when}"
        yield f"   {_path(step)}"
        yield ""
        for statement in step.sql.statements:
            yield from (f"       {line}".rstrip() for line in redacted(statement.sql).split("\n"))
        if not step.sql.statements and not step.sql.failure:
            yield "       -- nothing"
        yield ""
        yield from _remarks(plan.world, step)
    if plan.not_linted:
        yield f"Not linted: {plan.not_linted}"


def _remarks(world: World, step: Step) -> Iterator[str]:
    sections: dict[str, list[str]] = {
        "Not known": [
            *(
                [f"what comes after that: it reads the database ({step.sql.failure})"]
                if step.sql.failure
                else ()
            ),
            *(f"what this locks: {_shortened(_in_a_line(sql))}" for sql in step.found.unknown),
        ],
        "Locks": [_of_lock(world, lock) for lock in step.found.locks.values()],
        "Lost": [_of_loss(loss) for loss in step.found.losses],
        "Lint": [f"{each.place}: {each.rule}: {each.message}" for each in step.findings],
    }
    for title, lines in sections.items():
        if lines:
            yield f"   {title}:"
            yield from (f"     {line}" for line in lines)
    if any(sections.values()):
        yield ""


def as_object(plan: Plan) -> dict[str, Any]:
    """What `--json` prints; docs/how-to/plan.md of the template describes the keys."""
    return {
        "database": plan.database,
        "current": list(plan.current),
        "direction": "downgrade" if plan.is_downgrade else "upgrade",
        "steps": [_object_of(plan.world, step) for step in plan.steps],
        "not_linted": plan.not_linted,
    }


def _object_of(world: World, step: Step) -> dict[str, Any]:
    created = created_at(step.revision)
    return {
        "revision": step.revision.revision,
        "message": step.revision.doc,
        "created": created.isoformat() if created else None,
        "file": _path(step),
        "sql": [redacted(statement.sql) for statement in step.sql.statements],
        "incomplete": step.sql.failure,
        "locks": [
            {
                "table": world.shown(lock.table),
                "lock": str(lock.mode),
                "blocks": lock.mode.blocks or None,
                "during": [
                    {"work": str(work), "table": world.shown(of)} for work, of in lock.during
                ],
                "is_new": lock.facts.is_new,
                "bytes": lock.facts.bytes,
                "rows": lock.facts.rows,
            }
            for lock in step.found.locks.values()
        ],
        "unknown": [_in_a_line(sql) for sql in step.found.unknown],
        "losses": [loss._asdict() for loss in step.found.losses],
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


def _of_lock(world: World, lock: Lock) -> str:
    name = world.shown(lock.table)
    if lock.facts.is_new:
        return f"{name}: new, so nobody waits"
    blocks = (
        f"blocks {lock.mode.blocks}" if lock.mode.blocks else "blocks neither reading nor writing"
    )
    works = [f"{work} {world.shown(of)}" for work, of in lock.during]
    how_long = f"while it {' and '.join(works)}" if works else "for a moment"
    return f"{name} ({_size(lock)}): {lock.mode}, {blocks} {how_long}"


def _size(lock: Lock) -> str:
    if lock.facts.bytes is None and lock.facts.rows is None:
        return "size unknown"
    size = "size unknown" if lock.facts.bytes is None else pretty(lock.facts.bytes)
    return f"{size}, {_rows(lock.facts.rows)}"


def _of_loss(loss: Loss) -> str:
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


def pretty(size: float) -> str:
    """As pg_size_pretty() has it, more or less."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024 * 10 and (unit != "bytes" or size < 1024):
            break
        size, unit = size / 1024, "TB"
    return f"{size:,.0f} {unit}"


def _in_a_line(sql: str) -> str:
    return " ".join(redacted(sql).split())


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"


def _path(step: Step) -> str:
    return Path(step.revision.path).relative_to(PROJECT_ROOT).as_posix()
