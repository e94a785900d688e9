"""The JSON of a plan. docs/reference/plan.schema.json describes it."""

from typing import Any

from alembic_live.commands.plan.analysis import HeldLock, Loss
from alembic_live.commands.plan.estimates.estimates import Seconds
from alembic_live.commands.plan.plan import Plan, Step
from alembic_live.commands.plan.rehearsal.effects import TakenLock, Work
from alembic_live.commands.plan.rehearsal.statement import RehearsedStatement
from alembic_live.commands.plan.reports.report import is_shown
from alembic_live.history.graph import title_of
from alembic_live.project import Project
from alembic_live.sql.redaction import redacted

VERSION = 1  # of the document. A new key does not change it.


def as_object(project: Project, plan: Plan) -> dict[str, Any]:
    """The object that `--json` prints."""
    return {
        "version": VERSION,
        "database": plan.database,
        "current": list(plan.current),
        "direction": "downgrade" if plan.is_downgrade else "upgrade",
        "steps": [_step(project, plan, step) for step in plan.steps],
        "not_linted": plan.not_linted,
    }


def _step(project: Project, plan: Plan, step: Step) -> dict[str, Any]:
    schema = step.rehearsed.schema
    return {
        "revision": step.revision,
        "message": title_of(step.rehearsed.revision),
        "created": step.created.isoformat() if step.created else None,
        "file": step.file(project),
        "failure": None if (why := step.rehearsed.failure) is None else redacted(why),
        "irreversible": step.irreversible,
        "statements": [
            _statement(plan, each) for each in step.rehearsed.statements if is_shown(each)
        ],
        "locks": [_held(plan, lock) for lock in step.locks],
        "makes": [str(item.identity) for item in schema.made],
        "renames": [[str(old.identity), str(new.identity)] for old, new in schema.renamed],
        "retypes": [
            {"column": str(new.identity), "before": old.type, "after": new.type}
            for old, new in schema.retyped
        ],
        "drops": [str(item.identity) for item in schema.dropped],
        "losses": [_loss(plan, loss) for loss in step.losses],
        "replication": step.replication,
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


def _statement(plan: Plan, statement: RehearsedStatement) -> dict[str, Any]:
    return {
        "sql": redacted(statement.sql),
        "line": statement.line,
        "in_transaction": not statement.is_outside,
        "locks": [_lock(plan, lock) for lock in statement.locks],
        "work": [_work(plan, work) for work in statement.works],
    }


def _lock(plan: Plan, lock: TakenLock) -> dict[str, Any]:
    return {
        "relation": plan.shown(lock.relation),
        "table": plan.shown(lock.table),
        "lock": str(lock.mode),
        "is_new": lock.is_new,
    }


def _held(plan: Plan, held: HeldLock) -> dict[str, Any]:
    size = plan.sizes.get(held.taken.table)
    return _lock(plan, held.taken) | {
        "line": held.line,
        "blocks": held.blocks or None,
        "during": [_work(plan, work) for work in held.during],
        "rows": size.rows if size else None,
        "bytes": size.bytes if size else None,
        "seconds": _rounded(plan.duration(held.during)),
    }


def _rounded(duration: Seconds | None) -> list[float] | None:
    return [round(each, 3) for each in duration] if duration else None


def _work(plan: Plan, work: Work) -> dict[str, Any]:
    return {
        "work": str(work.kind),
        "table": plan.shown(work.table),
        "index": plan.shown(work.index) if work.index else None,
        "other": plan.shown(work.other) if work.other else None,
        "is_selective": work.is_selective,
        "seconds": _rounded(plan.duration([work])),
    }


def _loss(plan: Plan, loss: Loss) -> dict[str, Any]:
    table = plan.shown(loss.table) if loss.table else ""
    rows = plan.rows(loss.table) if loss.table and not loss.is_selective else None
    return {"what": loss.what, "name": ".".join(filter(None, (table, loss.name))), "rows": rows}
