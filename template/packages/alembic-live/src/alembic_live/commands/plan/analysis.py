"""What a rehearsed revision means: the locks that others feel, and the data that is lost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from alembic_live.commands.plan.effects import LockMode, RelationName, TakenLock, Work
from alembic_live.commands.plan.inventory import COLUMN, SCHEMA, TABLE
from alembic_live.commands.plan.observation import Relation
from alembic_live.commands.plan.rehearsal import RehearsedRevision
from alembic_live.commands.plan.statement import RehearsedStatement


@dataclass(frozen=True, slots=True)
class HeldLock:
    """The strongest lock of a revision on one relation.

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
    """The locks of a revision, one for each relation, apart from those of readers.

    An index or a sequence is locked with its table, so its lock is left out unless it blocks more.
    """
    found: dict[RelationName, HeldLock] = {}
    for _, group in groupby(statements, key=lambda each: each.transaction):
        for held in _of_transaction(list(group)):
            before = found.get(held.taken.relation)
            if before is None or _weight(before) < _weight(held):
                found[held.taken.relation] = held
    return [each for each in found.values() if not _is_implied(each, found)]


def _of_transaction(statements: Sequence[RehearsedStatement]) -> Iterator[HeldLock]:
    strongest: dict[RelationName, tuple[int, TakenLock]] = {}
    for number, statement in enumerate(statements):
        for lock in statement.locks:
            if lock.mode > LockMode.ROW_SHARE:
                strongest[lock.relation] = number, lock  # a later one is stronger
    for number, lock in strongest.values():
        works = [work for each in statements[number:] for work in each.works]
        # CONCURRENTLY works with weak locks, and takes a stronger one for a moment.
        is_brief = statements[number].is_outside and lock.mode >= LockMode.SHARE
        during = () if is_brief and lock.mode.blocks_writes else tuple(dict.fromkeys(works))
        yield HeldLock(lock, statements[number].line, during)


def _weight(held: HeldLock) -> tuple[int, int]:
    return held.taken.mode, len(held.during)


def _is_implied(held: HeldLock, found: Mapping[RelationName, HeldLock]) -> bool:
    taken = held.taken
    if taken.relation == taken.table:
        return False
    table = found.get(taken.table)
    is_weaker = table is not None and table.taken.mode >= taken.mode
    return taken.is_new or not taken.mode.blocks_writes or is_weaker


def losses_of(revision: RehearsedRevision, relations: Mapping[int, Relation]) -> list[Loss]:
    """The data that a revision destroys.

    Args:
        revision: the revision.
        relations: by oid.
    """
    found = []
    for statement in revision.statements:
        for table, is_selective in statement.emptied.items():
            found.append(Loss("rows", table=table, is_selective=is_selective))
    for item in revision.schema.dropped:
        kind = item.identity.kind
        if item.is_old and kind == SCHEMA:
            found.append(Loss("schema", item.name))
        elif item.is_old and kind in (TABLE, COLUMN):
            what, name = ("column", item.name) if kind == COLUMN else ("table", "")
            found.append(Loss(what, name, relations[item.key.oid].full_name))
    labels = [each.name.removeprefix("public.") for each in revision.schema.lost_labels]
    found += [Loss("enum value", label) for label in labels]
    return list(dict.fromkeys(found))
