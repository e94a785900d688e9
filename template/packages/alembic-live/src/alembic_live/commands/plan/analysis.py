"""The locks that a revision takes, and the data that it destroys, read from its SQL."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from alembic_live.commands.lint.revision_sql import RevisionStatement
from alembic_live.commands.plan.catalog import Catalog, Table, apply_statement
from alembic_live.commands.plan.lock_rules import Effect, LockMode, RuleWork
from alembic_live.commands.plan.locks import effects_of
from alembic_live.commands.plan.replication import (
    apply_identity,
    notes_on,
    notes_on_identity,
    without_identity,
)
from alembic_live.sql.statements import (
    Name,
    Statement,
    matches,
    names_of,
    split_at_commas,
    statements_in,
)


class TableLock(NamedTuple):
    """The strongest lock of a revision on one table, and the work that is done while it is held. A
    lock is held until the transaction ends.
    """

    table: Name
    mode: LockMode
    during: tuple[tuple[RuleWork, Name], ...]  # empty: the lock is held for a moment
    facts: Table  # the table before the statement


class Loss(NamedTuple):
    """Existing data that a statement destroys. Neither an upgrade nor a downgrade restores it."""

    what: str  # "table", "column", "rows", "enum value", "schema"
    name: str
    rows: int | None  # an estimate; None if it is unknown


@dataclass(slots=True)
class RevisionEffects:
    """What the statements of one revision do."""

    locks: dict[Name, TableLock] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)  # statements whose locks are unknown
    losses: list[Loss] = field(default_factory=list)
    replication: list[str] = field(default_factory=list)  # sentences without a period


Transaction = list[list[tuple[Effect, Table]]]  # the effects of each statement


def analyze(written: Iterable[RevisionStatement], catalog: Catalog) -> RevisionEffects:
    """Analyze the statements of a revision in order, and change the catalog as they do.

    Args:
        written: the statements, including those that begin and end transactions.
        catalog: the catalog before the first statement.
    """
    found = RevisionEffects()
    before_it = without_identity(catalog)
    transaction: Transaction = []
    is_outside = False
    for each in written:
        for statement in statements_in(each.sql):
            if statement.text in ("BEGIN", "COMMIT"):
                _add_locks(found, transaction)
                transaction, is_outside = [], statement.text == "COMMIT"
                continue
            if each.line is None:  # emitted by Alembic itself
                continue
            effects = effects_of(statement, catalog)
            if effects is None:
                found.unknown.append(statement.sql)
            found.losses += _losses_of(statement, catalog)
            found.replication += notes_on(statement, catalog)
            if each.is_safe and " SET NOT NULL" in statement.text:
                # set_not_null_concurrently has validated a check, so Postgres skips the table scan.
                effects = [effect._replace(work=None) for effect in effects or ()]
            before = dict(catalog.tables)
            apply_statement(statement, catalog)
            apply_identity(statement, catalog)
            tables = {**catalog.tables, **before}  # including created and dropped tables
            transaction.append(
                [(effect, tables.get(effect.table) or Table()) for effect in effects or ()]
            )
            if is_outside:
                _add_locks(found, transaction)
                transaction = []
    _add_locks(found, transaction)
    found.replication += notes_on_identity(catalog, without_identity(catalog) - before_it)
    found.replication += _locks_on_standbys(found, catalog)
    return found


def _locks_on_standbys(found: RevisionEffects, catalog: Catalog) -> Iterator[str]:
    tables = [
        catalog.shown(lock.table)
        for lock in found.locks.values()
        if lock.mode == LockMode.ACCESS_EXCLUSIVE and not lock.facts.is_new
    ]
    if catalog.standbys and tables:
        yield (
            f"{catalog.standbys} standby{'' if catalog.standbys == 1 else 's'}: the ACCESS EXCLUSIVE "
            f"lock on {', '.join(tables)} is taken there too. While a query reads the table there, new "
            "ones wait, up to max_standby_streaming_delay. Then it is cancelled"
        )


def _add_locks(found: RevisionEffects, transaction: Transaction) -> None:
    """Add the locks of a transaction, unless the revision has stronger ones already."""
    seen: dict[Name, tuple[LockMode, int, Table]] = {}
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
        lock = TableLock(table, mode, tuple(during), facts)
        before = found.locks.get(table)
        if before is None or (before.mode, len(before.during)) < (mode, len(during)):
            found.locks[table] = lock


def _losses_of(statement: Statement, catalog: Catalog) -> Iterator[Loss]:
    """The data that a statement destroys. Tables and columns that the plan creates do not count."""
    text = statement.text
    if found := matches(text, "DROP TABLE [IF EXISTS] <tables>"):
        for name in _existing(catalog, found["tables"]):
            yield _loss_of_table("table", catalog, name)
    elif found := matches(text, "TRUNCATE [TABLE] [ONLY] <tables>"):
        for name in _existing(catalog, found["tables"]):
            yield _loss_of_table("rows", catalog, name)
    elif found := matches(text, "DELETE FROM [ONLY] <table>"):
        for name in _existing(catalog, found["table"]):
            rows = None if " WHERE " in text else catalog.table(name).rows
            yield Loss("rows", catalog.shown(name), rows)
    elif found := matches(text, "ALTER TABLE [IF EXISTS] [ONLY] <table>"):
        for name in _existing(catalog, found["table"]):
            for action in split_at_commas(text[found.end() :]):
                yield from _losses_of_action(catalog, name, action)
    elif found := matches(text, "CREATE TYPE <type> AS ENUM"):
        # An enum that is replaced: the old type has been renamed, and may have more labels.
        old = catalog.enums.get(catalog.full_name(Name.of(found["type"])), [])
        for label in sorted(set(old) - set(statement.strings())):
            yield Loss("enum value", f"{Name.of(found['type']).name}.{label}", None)
    elif (found := matches(text, "DROP SCHEMA [IF EXISTS] <names>")) and "CASCADE" in text.split():
        yield from (Loss("schema", name.name, None) for name in names_of(found["names"]))


def _losses_of_action(catalog: Catalog, table: Name, action: str) -> Iterator[Loss]:
    if action.startswith("DROP CONSTRAINT "):
        return
    if found := matches(action, "DROP [COLUMN] [IF EXISTS] <column>"):
        column = Name.of(found["column"]).name
        if column not in catalog.table(table).added:
            yield Loss("column", f"{catalog.shown(table)}.{column}", catalog.table(table).rows)


def _loss_of_table(what: str, catalog: Catalog, table: Name) -> Loss:
    return Loss(what, catalog.shown(table), catalog.table(table).rows)


def _existing(catalog: Catalog, names: str) -> list[Name]:
    return [name for name in names_of(names) if not catalog.table(name).is_new]
