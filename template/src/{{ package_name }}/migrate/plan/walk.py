"""Goes through the SQL of a revision, statement by statement, in the world that it would find."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..commands.revision_sql import Statement as Written
from .changes import apply
from .effects import Effect, Mode, Work
from .locks import effects_of
from .losses import Loss, losses_of
from .statements import Name, statements_in
from .world import Table, World


class Lock(NamedTuple):
    """The strongest lock of a revision on one table, and what is done while it is held: it is given
    back at the end of the transaction.
    """

    table: Name
    mode: Mode
    during: tuple[tuple[Work, Name], ...]  # none: for a moment
    facts: Table  # as it is before


Transaction = list[list[tuple[Effect, Table]]]  # what each statement does to which table


@dataclass(slots=True)
class Found:
    """What was found in a revision."""

    locks: dict[Name, Lock] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)  # statements
    losses: list[Loss] = field(default_factory=list)


def walk(written: Iterable[Written], world: World) -> Found:
    """Look at the statements of a revision in their order. The world is then as they leave it.

    Args:
        written: by the revision, its transactions with them.
        world: what the first of them finds.
    """
    found = Found()
    transaction: Transaction = []
    is_outside = False
    for each in written:
        for statement in statements_in(each.sql):
            if statement.text in ("BEGIN", "COMMIT"):
                _hold(found, transaction)
                transaction, is_outside = [], statement.text == "COMMIT"
                continue
            if each.line is None:  # Alembic's own
                continue
            effects = effects_of(statement, world)
            if effects is None:
                found.unknown.append(statement.sql)
            found.losses += losses_of(statement, world)
            if each.is_safe and " SET NOT NULL" in statement.text:
                # Of set_not_null_concurrently: a check was validated before, and Postgres believes it.
                effects = [effect._replace(work=None) for effect in effects or ()]
            before = dict(world.tables)
            apply(statement, world)
            tables = {**world.tables, **before}  # also what it has made or dropped
            transaction.append(
                [(effect, tables.get(effect.table) or Table()) for effect in effects or ()]
            )
            if is_outside:
                _hold(found, transaction)
                transaction = []
    _hold(found, transaction)
    return found


def _hold(found: Found, transaction: Transaction) -> None:
    """Note the locks of a transaction where the revision has had no stronger ones before."""
    seen: dict[Name, tuple[Mode, int, Table]] = {}
    for number, effects in enumerate(transaction):
        for effect, facts in effects:
            if effect.table not in seen or effect.mode > seen[effect.table][0]:
                seen[effect.table] = effect.mode, number, facts
    for table, (mode, since, facts) in seen.items():
        during = {
            (effect.work, effect.table): None
            for effects in transaction[since:]
            for effect, its_facts in effects
            if effect.work and not its_facts.is_new
        }
        lock = Lock(table, mode, tuple(during), facts)
        before = found.locks.get(table)
        if before is None or (before.mode, len(before.during)) < (mode, len(during)):
            found.locks[table] = lock
