"""What a team accepts of a revision: how long it may block others, and whether it may rewrite tables.

The limits are options in `[alembic_live]` of alembic.ini. `[plan]` of exceptions.toml allows more for
a table, for a revision, or for one table in one revision: `"notes" = "the reason"`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from alembic_live.alembic_ini import INI, SECTION, option_in
from alembic_live.commands.lint import rows
from alembic_live.commands.lint.findings import Finding
from alembic_live.commands.lint.squawk import REMEDIES, SEPARATE
from alembic_live.commands.plan.analysis import HeldLock
from alembic_live.commands.plan.plan import Plan, Step
from alembic_live.commands.plan.rehearsal.effects import Work, WorkKind
from alembic_live.commands.plan.reports.report import describe_lock
from alembic_live.errors import ConfigurationError
from alembic_live.postgres.exceptions import FILE, Exceptions
from alembic_live.printable import one_line
from alembic_live.project import Project

READS, WRITES, REWRITE = "max_blocking_reads", "max_blocking_writes", "allow_rewrite"
FAILS = "fails"  # the rule of a revision that fails

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h)")
_SECONDS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600}
_BOOLEANS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}

OPERATIONS = "from alembic_live.operations"
SAFE_FORMS = {
    WorkKind.BUILDS: REMEDIES["require-concurrent-index-creation"],
    WorkKind.READS: "create_check_constraint_concurrently(…) or set_not_null_concurrently(…) "
    f"{SEPARATE}",
    WorkKind.COMPARES: REMEDIES["adding-foreign-key-constraint"],
    WorkKind.REWRITES: "add a column, let the service write both, copy the rows with "
    f"update_in_batches(…) {OPERATIONS}, read the new column, and drop the old one",
    WorkKind.CHANGES: rows.REMEDY,
    WorkKind.FILLS: "REFRESH MATERIALIZED VIEW CONCURRENTLY, after a unique index on the view",
}


@dataclass(frozen=True)
class Budget:
    """The limits of a project.

    Attributes:
        reads: seconds that reads of a table may be blocked; None is no limit.
        writes: seconds that writes may be blocked; None is no limit.
        allows_rewrites: whether a revision may rewrite a table that is not new.
        exceptions: those of the project.
    """

    reads: float | None
    writes: float | None
    allows_rewrites: bool
    exceptions: Exceptions

    @classmethod
    def of(cls, project: Project) -> Self:
        """The limits in alembic.ini.

        Raises:
            ConfigurationError: one of them has another form, or the exceptions are wrong.
        """
        file = project.config_file
        return cls(
            _seconds(file, READS),
            _seconds(file, WRITES),
            _boolean(file, REWRITE),
            Exceptions.of(project, "plan"),
        )

    @property
    def is_set(self) -> bool:
        """Whether anything is limited."""
        return self.reads is not None or self.writes is not None or not self.allows_rewrites

    def findings(self, plan: Plan) -> Iterator[Finding]:
        """What goes beyond the limits, and revisions that fail."""
        for step in plan.steps:
            yield from self._of_step(plan, step)
            if step.rehearsed.failure is not None:
                return  # the others were not run

    def _of_step(self, plan: Plan, step: Step) -> Iterator[Finding]:
        path = Path(step.rehearsed.revision.path)
        if step.rehearsed.failure is not None and not self.exceptions.allows(step.revision):
            line = step.rehearsed.failed_line
            yield Finding(path, line, FAILS, one_line(step.rehearsed.failure))
        for held in step.locks:
            if held.taken.is_new or self._allows(plan, step, held):
                continue
            rewritten = [work for work in held.during if work.kind is WorkKind.REWRITES]
            own = [work for work in rewritten if work.table == held.taken.table]
            if own and not self.allows_rewrites:
                message = f"{describe_lock(plan, held)}. {REWRITE} is no in {INI}."
                yield Finding(path, held.line, REWRITE, message, _safe_form(own))
                continue
            for option, limit, does_block in (
                (READS, self.reads, held.taken.mode.blocks_reads),
                (WRITES, self.writes, held.taken.mode.blocks_writes),
            ):
                duration = plan.duration(held.during)
                if limit is None or not does_block or duration is None or duration.high <= limit:
                    continue
                message = f"{describe_lock(plan, held)}. {option} is {limit:g} s in {INI}."
                yield Finding(path, held.line, option, message, _safe_form(held.during))
                break

    def _allows(self, plan: Plan, step: Step, held: HeldLock) -> bool:
        table = plan.shown(plan.whole(held.taken.table))
        names = (table, step.revision, f"{step.revision} {table}")
        return any(self.exceptions.allows(name) for name in names)


def describe_finding(project: Project, finding: Finding) -> str:
    """A finding on one line, with its place and what to write instead."""
    remedy = f" Instead: {finding.remedy}." if finding.remedy else ""
    return f"{finding.place(project)}: {finding.rule}: {finding.message}{remedy}"


def _safe_form(works: Iterable[Work]) -> str:
    forms = dict.fromkeys(SAFE_FORMS[work.kind] for work in works)
    return "; ".join([*forms, f'or allow it in [plan] of {FILE}: "<table>" = "<reason>"'])


def _seconds(file: Path, option: str) -> float | None:
    text = option_in(file, option)
    if not text:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ConfigurationError(
            f"{file}: {option} in [{SECTION}] is a duration such as 500ms, 2s or 5min, and not "
            f"{one_line(text)}."
        )
    return float(found[1]) * _SECONDS[found[2]]


def _boolean(file: Path, option: str) -> bool:
    text = option_in(file, option).lower()
    if text and text not in _BOOLEANS:
        raise ConfigurationError(
            f"{file}: {option} in [{SECTION}] is yes or no, and not {one_line(text)}."
        )
    return _BOOLEANS.get(text, True)
