"""What a rehearsed revision means: the locks that others feel, and the data that is lost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from alembic_live.commands.plan.rehearsal.effects import LockMode, RelationName, TakenLock, Work
from alembic_live.commands.plan.rehearsal.inventory import COLUMN, SCHEMA, TABLE
from alembic_live.commands.plan.rehearsal.observation import Observed
from alembic_live.commands.plan.rehearsal.rehearsal import RehearsedRevision
from alembic_live.commands.plan.rehearsal.statement import RehearsedStatement


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock of a revision on one relation.

    Attributes:
        taken: the lock.
        line: of the statement that takes it, in the revision's file.
        during: the work until the end of the transaction, which frees the lock. Without any, it
            is held for a moment.
    """

    taken: TakenLock
    line: int
    during: tuple[Work, ...]

    @property
    def blocks(self) -> str:
        """What other sessions cannot do with the table meanwhile; empty if they notice nothing."""
        return "" if self.taken.is_new else self.taken.mode.blocks


class Loss(NamedTuple):
    """Data that was there before the plan, and is not afterwards. No downgrade restores it.

    Attributes:
        what: `table`, `column`, `rows`, `enum value` or `schema`.
        name: that of the column, value or schema.
        table: the table.
        is_selective: whether a condition chooses the rows.
    """

    what: str
    name: str = ""
    table: RelationName | None = None
    is_selective: bool = False


def held_locks(statements: Sequence[RehearsedStatement]) -> list[HeldLock]:
    """The locks of a revision, apart from those of readers and those that another one makes up for.

    A relation has several if the weaker one is held during more work.
    """
    found = [
        held
        for _, group in groupby(statements, key=lambda each: each.transaction)
        for held in _of_transaction(list(group))
    ]
    return [
        held
        for number, held in enumerate(found)
        if not _is_hidden(held.taken)
        and not any(
            _makes_up_for(other, held) and not (_makes_up_for(held, other) and number < place)
            for place, other in enumerate(found)
            if place != number
        )
    ]


def _of_transaction(statements: Sequence[RehearsedStatement]) -> Iterator[HeldLock]:
    for number, statement in enumerate(statements):
        works = [work for each in statements[number:] for work in each.works]
        for lock in statement.locks:
            # CONCURRENTLY works with weak locks, and takes a stronger one for a moment.
            is_brief = statement.is_outside and lock.mode.blocks_writes
            during = () if is_brief else tuple(dict.fromkeys(works))
            if lock.mode > LockMode.ROW_SHARE:
                yield HeldLock(lock, statement.line, during)


def _makes_up_for(one: HeldLock, other: HeldLock) -> bool:
    """Whether a lock tells all about another one. An index is locked with its table, a partition with
    the partitioned table.
    """
    return (
        one.taken.relation in (other.taken.relation, other.taken.table, other.taken.parent)
        and one.taken.mode >= other.taken.mode
        and set(one.during) >= set(other.during)
    )


def _is_hidden(taken: TakenLock) -> bool:
    """Whether it is a lock on an index or a sequence of a column that others do not notice."""
    is_part = taken.relation != taken.table
    return is_part and (taken.is_new or not taken.mode.blocks_writes)


def losses_of(revision: RehearsedRevision, observed: Observed) -> list[Loss]:
    """The data that a revision destroys. Rows of partitions are those of the partitioned table."""
    wholes = observed.partitioned()
    emptied: dict[RelationName, bool] = {}
    for statement in revision.statements:
        for table, is_selective in statement.emptied.items():
            whole = wholes.get(table, table)
            emptied[whole] = emptied.get(whole, True) and is_selective
    found = [Loss("rows", table=table, is_selective=some) for table, some in emptied.items()]
    for item in revision.schema.dropped:
        kind = item.identity.kind
        if item.is_old and kind == SCHEMA:
            found.append(Loss("schema", item.name))
        elif item.is_old and kind in (TABLE, COLUMN):
            what, name = ("column", item.name) if kind == COLUMN else ("table", "")
            found.append(Loss(what, name, observed.relations[item.key.oid].full_name))
    labels = [each.name.removeprefix("public.") for each in revision.schema.lost_labels]
    return [*found, *(Loss("enum value", label) for label in labels)]
