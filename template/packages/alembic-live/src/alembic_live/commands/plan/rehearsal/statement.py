"""A statement of a revision, as the rehearsal has seen it."""

from dataclasses import dataclass, field

from alembic_live.commands.plan.rehearsal.effects import RelationName, TakenLock, Work


@dataclass(slots=True)
class RehearsedStatement:
    """A statement of a revision, and what it has done on the scratch database.

    Attributes:
        sql: its text, with placeholders for parameters.
        line: of the revision's file.
        transaction: differs between transactions. Locks are held until the end of theirs.
        is_outside: whether it ran outside of a transaction.
        is_safe: whether an operation of `alembic_live.operations` has emitted it.
        locks: those that it has taken or made stronger.
        works: work that grows with the tables.
        emptied: the tables whose rows it removes, and whether a condition chooses them.
        modified: the tables whose rows it changes, with `Insert`, `Update`, `Delete` or `Merge`.
    """

    sql: str
    line: int
    transaction: str
    is_outside: bool = False
    is_safe: bool = False
    locks: list[TakenLock] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    emptied: dict[RelationName, bool] = field(default_factory=dict)
    modified: list[tuple[str, RelationName]] = field(default_factory=list)
