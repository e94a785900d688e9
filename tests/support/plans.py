"""Plans by hand, for the tests of their formats: no Postgres has rehearsed them."""

from collections.abc import Sequence
from pathlib import Path

from alembic_live import Project
from alembic_live.commands.lint.findings import Finding
from alembic_live.commands.plan.analysis import HeldLock, Loss
from alembic_live.commands.plan.estimates.sizes import Sizes, TableSize
from alembic_live.commands.plan.plan import Plan, Step
from alembic_live.commands.plan.rehearsal.effects import (
    LockMode,
    RelationName,
    TakenLock,
    Work,
    WorkKind,
)
from alembic_live.commands.plan.rehearsal.rehearsal import RehearsedRevision
from alembic_live.postgres.dump import Difference, SchemaObject
from sqlalchemy import MetaData

INI = "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n"
REVISION = '''"""{message}

Create Date: 2026-01-02 00:00:00+00:00
"""

revision = {name!r}
down_revision = {follows!r}


def upgrade():
    op.drop_column("notes", "body")


def downgrade():
    {down}
'''
NOTES = RelationName("public", "notes")
SMALL: Sizes = {NOTES: TableSize(3000, 1 << 19, 1 << 19)}


def project_in(folder: Path) -> Project:
    """A project whose history is one old revision."""
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text(INI)
    project = Project(metadata=MetaData(), url="postgresql+psycopg://").located(
        folder / "alembic.ini"
    )
    write(project, "old", None)
    return project


def write(
    project: Project,
    name: str,
    follows: str | tuple[str, ...] | None,
    message: str = "Change notes",
    down: str = "pass",
) -> Path:
    """Write a revision."""
    path = project.folder / "migrations" / "versions" / f"{name}.py"
    text = REVISION.format(name=name, follows=follows, message=message, down=down)
    path.write_text(text, encoding="utf-8")
    return path


def step(
    project: Project,
    name: str,
    *,
    locks: tuple[HeldLock, ...] = (),
    losses: tuple[Loss, ...] = (),
    failure: str | None = None,
    findings: tuple[Finding, ...] = (),
    replication: tuple[str, ...] = (),
) -> Step:
    """A revision of the history in a plan."""
    rehearsed = RehearsedRevision(project.script.get_revision(name), failure=failure)
    return Step(rehearsed, list(locks), list(losses), list(replication), list(findings))


def lock(
    table: RelationName = NOTES,
    mode: LockMode = LockMode.ACCESS_EXCLUSIVE,
    *works: WorkKind,
    line: int = 11,
    is_new: bool = False,
) -> HeldLock:
    """A lock on a table, with work during it."""
    taken = TakenLock(table, mode, "r", table, None, is_new)
    return HeldLock(taken, line, tuple(Work(kind, table) for kind in works))


def plan(
    *steps: Step,
    current: tuple[str, ...] = ("old",),
    is_downgrade: bool = False,
    sizes: Sizes = SMALL,
    difference: str | None = None,
    not_linted: str | None = None,
    beyond_limits: Sequence[Finding] = (),
) -> Plan:
    """A plan of a range."""
    found = None
    if difference is not None:
        found = [Difference(SchemaObject("TABLE", "public", "notes"), difference)]
    return Plan(
        None,
        current,
        is_downgrade,
        [*steps],
        sizes,
        not_linted=not_linted,
        beyond_limits=[*beyond_limits],
        differences=found,
    )
