"""Which rows a statement changes. There are none in a rehearsal, so EXPLAIN tells it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from alembic_live.commands.plan.rehearsal.effects import LockMode, RelationName, Work, WorkKind
from alembic_live.commands.plan.rehearsal.observation import Observed
from alembic_live.commands.plan.rehearsal.statement import RehearsedStatement

# What a node of a plan has if a condition chooses its rows.
CONDITIONS = frozenset(
    (
        *("Filter", "Index Cond", "Recheck Cond", "TID Cond", "One-Time Filter"),
        *("Join Filter", "Hash Cond", "Merge Cond"),
    )
)


def add_row_changes(statement: RehearsedStatement, explained: Any, observed: Observed) -> None:
    """Add the tables whose rows a statement changes.

    Args:
        statement: the statement.
        explained: the result of EXPLAIN (VERBOSE, FORMAT JSON), which some drivers decode. None if
            Postgres explains no such statement, such as DO or COPY.
        observed: the relations of the database.
    """
    if explained is None:
        statement.works += [
            Work(WorkKind.CHANGES, lock.relation)
            for lock in statement.locks
            if lock.mode is LockMode.ROW_EXCLUSIVE and lock.kind in ("r", "p") and not lock.is_new
        ]
        return
    [top] = json.loads(explained) if isinstance(explained, str) else explained
    for node in _nodes(top["Plan"]):
        if node["Node Type"] == "ModifyTable":
            _add_change(statement, node, observed)


def _add_change(statement: RehearsedStatement, node: Mapping[str, Any], observed: Observed) -> None:
    inner = [each for child in node.get("Plans", ()) for each in _nodes(child)]
    sources = {_name_in(each) for each in inner if "Relation Name" in each}
    is_selective = any(CONDITIONS.intersection(each) for each in inner)
    targets = [_name_in(each) for each in node.get("Target Tables", [node])]
    statement.modified += [(node["Operation"], name) for name in targets]
    if node["Operation"] == "Insert" and not sources:
        return  # a few rows
    known = {work.table for work in statement.works}
    for name in sources.difference(targets, known):
        if observed.is_old(name):
            statement.works.append(Work(WorkKind.READS, name, is_selective=True))
    for name in filter(observed.is_old, targets):
        statement.works = [each for each in statement.works if each.table != name]
        statement.works.append(Work(WorkKind.CHANGES, name, is_selective=is_selective))
        if node["Operation"] == "Delete":
            statement.emptied[name] = is_selective
            _add_cascade(statement, name, observed, is_selective)


def _add_cascade(
    statement: RehearsedStatement, table: RelationName, observed: Observed, is_selective: bool
) -> None:
    """Add what the triggers of foreign keys do, which do not fire on empty tables."""
    for oid in observed.changed_by_delete(table):
        name = observed.relations[oid].full_name
        statement.works.append(Work(WorkKind.CHANGES, name, is_selective=is_selective))
        statement.locks += observed.locks_on(oid, LockMode.ROW_EXCLUSIVE)


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _name_in(node: Mapping[str, Any]) -> RelationName:
    return RelationName(node["Schema"], node["Relation Name"])
