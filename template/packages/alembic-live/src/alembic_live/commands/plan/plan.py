"""A plan: the rehearsed revisions, with what they mean for the live database."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from alembic_live.commands.lint.findings import Finding
from alembic_live.commands.plan.analysis import HeldLock, Loss
from alembic_live.commands.plan.estimates.estimates import DEFAULT, Seconds, Throughput
from alembic_live.commands.plan.estimates.sizes import Sizes
from alembic_live.commands.plan.rehearsal.effects import RelationName, Work
from alembic_live.commands.plan.rehearsal.rehearsal import RehearsedRevision
from alembic_live.history.irreversible import why_irreversible
from alembic_live.postgres.dump import Difference
from alembic_live.postgres.schemas import PUBLIC
from alembic_live.printable import one_line
from alembic_live.project import Project


@dataclass(frozen=True, slots=True)
class Step:
    """One revision of a plan.

    Attributes:
        rehearsed: what it did on the scratch database.
        locks: the locks that others feel, and weaker ones.
        losses: data that is lost.
        replication: sentences without a period at their ends.
        findings: those of `db lint`, and what goes beyond the project's limits.
    """

    rehearsed: RehearsedRevision
    locks: list[HeldLock]
    losses: list[Loss]
    replication: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def revision(self) -> str:
        """Its id."""
        return self.rehearsed.revision.revision

    @property
    def created(self) -> datetime | None:
        """The Create Date in its docstring; None if it is missing or unreadable."""
        text = self.rehearsed.revision.module.__doc__ or ""
        found = re.search(r"^Create Date: (.+)$", text, re.MULTILINE)
        with suppress(ValueError):
            date = datetime.fromisoformat(found[1].strip()) if found else None
            return date.replace(tzinfo=date.tzinfo or UTC) if date else None
        return None

    @property
    def irreversible(self) -> str | None:
        """Why it cannot be undone. None if it can be."""
        reason = why_irreversible(Path(self.rehearsed.revision.path))
        return reason if reason != "" else "the downgrade raises an error"

    def has(self, finding: Finding) -> bool:
        """Whether a finding is about it."""
        return finding.path == Path(self.rehearsed.revision.path)

    def file(self, project: Project) -> str:
        """The path of its file from the project's folder."""
        return str(project.relative(Path(self.rehearsed.revision.path)))


@dataclass(frozen=True, slots=True)
class Plan:
    """The revisions that a command would run, in order.

    Attributes:
        database: its description; None for a range.
        current: the revisions that the plan begins at.
        is_downgrade: whether they are undone.
        steps: the revisions.
        sizes: those of the tables; without the new ones.
        throughput: what a machine does in a second.
        partitioned: the topmost partitioned table of each partition.
        default_schema: the one that names do not mention.
        not_linted: why lint could not run.
        beyond_limits: what goes beyond the project's limits, and a failure.
        differences: those between the schema before and after, as unified diffs; None if nobody asked
            for them.
    """

    database: str | None
    current: tuple[str, ...]
    is_downgrade: bool
    steps: list[Step] = field(default_factory=list)
    sizes: Sizes = field(default_factory=dict)
    throughput: Throughput = DEFAULT
    partitioned: Mapping[RelationName, RelationName] = field(default_factory=dict)
    default_schema: str = PUBLIC
    not_linted: str | None = None
    beyond_limits: list[Finding] = field(default_factory=list)
    differences: list[Difference] | None = None

    def rows(self, table: RelationName) -> int | None:
        """The rows of a table, if they are known."""
        size = self.sizes.get(table)
        return size.rows if size else None

    def duration(self, works: Iterable[Work]) -> Seconds | None:
        """How long some work takes. None if that of one part is unknown."""
        found = [self.throughput.seconds(work, self.sizes) for work in works]
        known = [each for each in found if each is not None]
        if len(known) < len(found):
            return None
        return Seconds(sum(each.low for each in known), sum(each.high for each in known))

    def whole(self, table: RelationName) -> RelationName:
        """The partitioned table of a partition, or the table itself."""
        return self.partitioned.get(table, table)

    def shown(self, name: RelationName) -> str:
        """A name as reports show it, without the default schema."""
        schema, _ = name
        return one_line(name.name if schema == self.default_schema else ".".join(name))
