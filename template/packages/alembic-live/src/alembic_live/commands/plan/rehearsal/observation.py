"""What statements do to relations, as Postgres shows it after each."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alembic_live.commands.plan.rehearsal.effects import (
    BTREE,
    LockMode,
    RelationName,
    TakenLock,
    Work,
    WorkKind,
)
from alembic_live.commands.plan.rehearsal.relations import (
    INDEX,
    SEQUENCE,
    VIEW_WITH_ROWS,
    WITH_ROWS,
    ObservedKey,
    Relation,
    key_in,
    relation_in,
    strongest,
)

Before = Mapping[int, Relation | None]  # relations before the statement, by oid; None: not there


@dataclass(slots=True)
class Change:
    """What a statement has done.

    Attributes:
        transaction: differs between transactions.
        locks: those that it has taken or made stronger.
        works: work that grows with the tables.
        emptied: tables that it has truncated.
        is_shared: whether it has changed what belongs to the whole server, such as a role.
    """

    transaction: str = ""
    locks: list[TakenLock] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    emptied: list[RelationName] = field(default_factory=list)
    is_shared: bool = False


class Observed:
    """The relations of a database, as the statements of one connection change them.

    Attributes:
        relations: by oid. Dropped ones stay, because reports need their names.
        old: the names of those that were there at first, by oid.
    """

    def __init__(self, everything: str, ignored: Iterable[str] = ()) -> None:
        """
        Args:
            everything: the result of the query `EVERYTHING`.
            ignored: the names of tables that no report mentions.
        """
        found = json.loads(everything)
        self.relations = {each.oid: each for each in map(relation_in, found["relations"])}
        self.old = {oid: each.full_name for oid, each in self.relations.items()}
        self._keys = {row["oid"]: key_in(row) for row in found["keys"]}
        self._vacuums = dict(found["vacuums"])
        self._ignored = frozenset(ignored)
        self._transaction = ""
        self._modes: dict[int, LockMode] = {}
        self._scans: dict[int, int] = {}

    def change(self, touched: str) -> Change:
        """What the transaction has done since the last call.

        Args:
            touched: the result of the query `TOUCHED`.
        """
        found = json.loads(touched)
        if found["transaction"] != self._transaction:
            self._transaction, self._modes, self._scans = found["transaction"] or "", {}, {}
        before = self._renew(found)
        taken, scans = {}, {}
        for oid, modes, number in found["locks"]:
            mode = strongest(modes)
            if mode > self._modes.get(oid, 0):
                taken[oid] = self._modes[oid] = mode
            if number > self._scans.get(oid, 0) and oid in self.relations:
                scans[oid] = number - self._scans.get(oid, 0)
            self._scans[oid] = number
        change = self._change(before, taken, scans, self._compared(found))
        change.is_shared = found["shared"]
        return change

    def change_outside(self, everything: str, seen: Mapping[int, LockMode]) -> Change:
        """What a statement outside of a transaction has done.

        Args:
            everything: the result of the query `EVERYTHING` after it.
            seen: the locks that another session has seen meanwhile.
        """
        found = json.loads(everything)
        self._transaction = ""
        before = self._renew(found)
        taken = dict(seen)
        for oid, number in found["vacuums"]:
            if number != self._vacuums.get(oid, 0) and oid in self.old:
                taken.setdefault(oid, LockMode.SHARE_UPDATE_EXCLUSIVE)
        self._vacuums = dict(found["vacuums"])
        renewed = self._with_new_files(before)
        if not seen:  # REINDEX, CLUSTER or VACUUM FULL of many tables, in a transaction for each
            taken |= dict.fromkeys(renewed, LockMode.ACCESS_EXCLUSIVE)
            for oid in renewed:
                taken.setdefault(self.relations[oid].table, LockMode.SHARE)
        scans = {oid: 1 + len(renewed) for oid in renewed if self._has_rows(oid)}
        return self._change(before, taken, scans, self._compared(found))

    def forget(self, touched: str) -> None:
        """Take the state after a rollback to a savepoint as it is."""
        found = json.loads(touched)
        self._renew(found)
        self._modes = {oid: strongest(modes) for oid, modes, _ in found["locks"]}

    def is_old(self, name: RelationName) -> bool:
        """Whether the relation with this name was there at first."""
        return self.oid_of(name) in self.old

    def oid_of(self, name: RelationName) -> int | None:
        """The oid of the relation that has a name now or had it last."""
        return next(
            (oid for oid, each in reversed(self.relations.items()) if each.full_name == name), None
        )

    def locks_on(self, table: int, mode: LockMode) -> list[TakenLock]:
        """The locks of a mode on a table and its indexes."""
        oids = [
            each.oid
            for each in self.relations.values()
            if each.table == table and each.kind != SEQUENCE
        ]
        return [self._lock(oid, mode, {}) for oid in oids]

    def partitioned(self) -> dict[RelationName, RelationName]:
        """The topmost partitioned table of each partition."""
        found = {}
        for relation in self.relations.values():
            top = relation
            while top.parent and top.parent in self.relations:
                top = self.relations[top.parent]
            if top is not relation:
                found[relation.full_name] = top.full_name
        return found

    def changed_by_delete(self, table: RelationName) -> set[int]:
        """The tables whose rows foreign keys delete or change with those of a table."""
        found: set[int] = set()
        reached = {self.oid_of(table)}
        while reached:
            keys = [key for key in self._keys.values() if key.other in reached and key.cascades]
            new = {key.table for key in keys} - found
            found |= new
            reached = {*new}
        return found

    def _renew(self, found: dict[str, Any]) -> Before:
        """Record the relations as they are now, and return those of before."""
        before: dict[int, Relation | None] = {}
        for each in map(relation_in, found["relations"]):
            before[each.oid] = self.relations.get(each.oid)
            self.relations[each.oid] = each
        return before

    def _change(
        self,
        before: Before,
        taken: Mapping[int, LockMode],
        scans: Mapping[int, int],
        compared: list[ObservedKey],
    ) -> Change:
        """
        Args:
            before: the relations before the statement.
            taken: the locks that it has taken, by oid.
            scans: how often it has read relations, by oid.
            compared: the foreign keys that it has validated.
        """
        change = Change(self._transaction)
        for oid, mode in taken.items():
            if self._is_shown(oid):
                change.locks.append(self._lock(oid, mode, before))
        done: set[int] = set()  # tables whose rows the statement reads for a reason that is known
        self._add_files(change, before, scans, done)
        self._add_indexes(change, before, done)
        read = {self.relations[oid].table for oid in scans}
        for key in compared:
            if key.table not in read:  # a new column without values
                continue
            if self._is_old_oid(key.table):
                table, other = self._name(key.table), self._name(key.other)
                change.works.append(Work(WorkKind.COMPARES, table, other=other))
            done |= {key.table, key.other}
        for oid, mode in taken.items():  # REFRESH … CONCURRENTLY
            relation = self.relations.get(oid)
            if mode is LockMode.EXCLUSIVE and relation and relation.kind == VIEW_WITH_ROWS:
                change.works.append(Work(WorkKind.FILLS, self._name(oid)))
                done.add(oid)
        # A change of the schema uses an index only to read all rows by it.
        is_ddl = any(mode > LockMode.ROW_EXCLUSIVE for mode in taken.values())
        for oid in sorted(scans):
            table_oid = self.relations[oid].table
            if (
                self._is_old_oid(table_oid)
                and table_oid not in done
                and (is_ddl or self._has_rows(oid))
            ):
                change.works.append(Work(WorkKind.READS, self._name(table_oid)))
                done.add(table_oid)
        return change

    def _add_files(
        self, change: Change, before: Before, scans: Mapping[int, int], done: set[int]
    ) -> None:
        """Add the tables that have new files: they are rewritten, filled or empty."""
        renewed = self._with_new_files(before)
        for oid in renewed:
            if not (self._has_rows(oid) and self._is_old_oid(oid)):
                continue
            done.add(oid)
            name = self._name(oid)
            rebuilt = [self.relations[i] for i in renewed if self.relations[i].table == oid]
            # TRUNCATE reads a table once for each index that it builds again, and twice for EXCLUDE.
            of_indexes = sum(1 + each.excludes for each in rebuilt if each.kind == INDEX)
            was = before[oid]
            is_moved = was is not None and was.space != self.relations[oid].space
            reads_by_index = any(
                self.relations[i].table == oid for i in scans if self.relations[i].kind == INDEX
            )
            if self.relations[oid].kind == VIEW_WITH_ROWS:
                change.works.append(Work(WorkKind.FILLS, name))
            elif is_moved or reads_by_index or scans.get(oid, 0) > of_indexes:
                change.works.append(Work(WorkKind.REWRITES, name))
            else:
                change.emptied.append(name)

    def _add_indexes(self, change: Change, before: Before, done: set[int]) -> None:
        """Add the indexes that are built, apart from those of rewritten tables."""
        built = set()
        for oid, was in before.items():
            index = self.relations[oid]
            is_built = was is None or was.file != index.file
            if index.kind == INDEX and is_built and index.table not in done:
                if self._is_old_oid(index.table):
                    table = self._name(index.table)
                    method = index.method or BTREE
                    built_index = Work(WorkKind.BUILDS, table, index.full_name, method=method)
                    change.works.append(built_index)
                built.add(index.table)
        done |= built

    def _lock(self, oid: int, mode: LockMode, before: Before) -> TakenLock:
        """A lock, with the names that the relations have before the statement."""

        def named(oid: int) -> RelationName:
            return (before.get(oid) or self.relations[oid]).full_name

        relation = self.relations[oid]
        parent = relation.parent if relation.parent in self.relations else None
        return TakenLock(
            named(oid),
            mode,
            relation.kind,
            named(relation.table),
            named(parent) if parent else None,
            is_new=oid not in self.old,
        )

    def _compared(self, found: dict[str, Any]) -> list[ObservedKey]:
        compared = []
        for row in found["keys"]:
            key, was = key_in(row), self._keys.get(row["oid"])
            self._keys[row["oid"]] = key
            if key.is_valid and not (was and was.is_valid):
                compared.append(key)
        return compared

    def _with_new_files(self, before: Before) -> list[int]:
        return [oid for oid, was in before.items() if was and was.file != self.relations[oid].file]

    def _is_shown(self, oid: int) -> bool:
        """Whether a report mentions it. One that a single statement creates and drops is unknown."""
        table = self.relations[oid].table if oid in self.relations else oid
        return table in self.relations and self._name(table).name not in self._ignored

    def _is_old_oid(self, oid: int) -> bool:
        return oid in self.old and self._is_shown(oid)

    def _has_rows(self, oid: int) -> bool:
        return self.relations[oid].kind in WITH_ROWS

    def _name(self, oid: int) -> RelationName:
        return self.relations[oid].full_name
