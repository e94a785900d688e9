"""Statements that may change many rows in one transaction."""

from collections.abc import Iterator, Sequence

from alembic_live.commands.lint.blocks import statements_in_block
from alembic_live.commands.lint.conditions import Judge
from alembic_live.commands.lint.revision_sql import RevisionStatement
from alembic_live.sql.lexer import statements
from alembic_live.sql.parser import (
    Node,
    UnreadableError,
    choice_of,
    kind_of,
    statements_in,
    unwrapped,
)

RULE = "many-rows-in-one-transaction"
MESSAGE = (
    "The statement may change many rows. Each stays locked until the revision commits, and the WAL "
    "holds up standbys."
)
REMEDY = "update_in_batches(…) or delete_in_batches(…) from alembic_live.operations, in a separate revision"


def changes_of_many_rows(revision: Sequence[RevisionStatement]) -> Iterator[RevisionStatement]:
    """The statements that change rows of a table without a condition that chooses few, also in a WITH
    or a DO block. A table that the revision itself creates has few. In SQL that the parser cannot
    read, every change counts.

    Args:
        revision: its statements.

    Raises:
        CommandError: the parser is not installed.
    """
    created: set[str] = set()
    for written in revision:
        try:
            found = statements_in(written.sql)
        except UnreadableError:
            if _begins_with_a_change(written.sql):
                yield written
            continue
        # All of them, because each can create a table.
        if True in [_changes_many(statement, created) for statement in found]:
            yield written


def _begins_with_a_change(sql: str) -> bool:
    """Whether a statement is an UPDATE, DELETE or MERGE, by its first word."""
    firsts = (next((t for t in each if not t.is_blank), None) for each in statements(sql))
    return any(first and first.text.upper() in ("DELETE", "MERGE", "UPDATE") for first in firsts)


def _changes_many(statement: Node, created: set[str]) -> bool:
    match kind_of(statement):
        case "CreateStmt":
            created.add(statement.relation.relname)
        case "CreateTableAsStmt":
            created.add(statement.into.rel.relname)
        case "SelectStmt" if statement.HasField("into_clause"):
            created.add(statement.into_clause.rel.relname)
        case "RenameStmt" if statement.relation.relname in created and not statement.subname:
            created.add(statement.newname)
        case "DoStmt":
            return _block_changes_many(statement, frozenset(created))
    return _is_change_of_many(statement, Judge(frozenset(created)))


def _block_changes_many(do: Node, created: frozenset[str]) -> bool:
    try:
        found = statements_in_block(do)
    except UnreadableError:
        return False
    # There, what looks like a column can be a variable. In a loop it can come from each row.
    return any(
        _is_change_of_many(
            statement, Judge(created, has_variables=all(map(Judge(created).is_small, loops)))
        )
        for statement, loops in found
    )


def _is_change_of_many(statement: Node, judge: Judge) -> bool:
    """Whether a statement, or one in its WITH, changes many rows."""
    tables = judge.small
    for each in map(
        unwrapped, statement.with_clause.ctes if hasattr(statement, "with_clause") else ()
    ):
        query = unwrapped(each.ctequery)
        if _is_change_of_many(query, judge):
            return True
        judge = judge.with_relation(each.ctename, judge.is_small(query))
    kind = kind_of(statement)
    if kind not in CHANGES or statement.relation.relname in tables:
        return False
    return CHANGES[kind](statement, judge)


def _updates_many(update: Node, judge: Judge) -> bool:
    return not judge.chooses(update.where_clause, update.from_clause)


def _deletes_many(delete: Node, judge: Judge) -> bool:
    return not judge.chooses(delete.where_clause, delete.using_clause)


def _replaces_many(insert: Node, judge: Judge) -> bool:
    """Whether INSERT … ON CONFLICT DO UPDATE changes many rows. New rows block nobody."""
    conflict = insert.on_conflict_clause
    return (
        bool(conflict.target_list)
        and not judge.chooses(conflict.where_clause)
        and not judge.is_small(unwrapped(insert.select_stmt))
    )


def _merges_many(merge: Node, judge: Judge) -> bool:
    sources = [merge.source_relation]
    few_match = judge.chooses(merge.join_condition, sources)
    return any(
        not judge.chooses(action.condition, sources)
        for action in map(unwrapped, merge.merge_when_clauses)
        if choice_of(action, "command_type") in ("CMD_UPDATE", "CMD_DELETE")
        if not few_match or choice_of(action, "match_kind") == "MERGE_WHEN_NOT_MATCHED_BY_SOURCE"
    )


CHANGES = {
    "UpdateStmt": _updates_many,
    "DeleteStmt": _deletes_many,
    "InsertStmt": _replaces_many,
    "MergeStmt": _merges_many,
}
