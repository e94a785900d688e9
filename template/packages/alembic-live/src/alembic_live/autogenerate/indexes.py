"""Compares indexes and unique constraints that have one name in the models and the database."""

from typing import Any, Literal

from alembic.ddl.impl import ComparisonResult
from alembic.operations import ops
from sqlalchemy import Column, Index, UniqueConstraint
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql.elements import ClauseElement

from alembic_live.autogenerate.pending import Pending, PendingTable, log
from alembic_live.autogenerate.rendering import POSTGRESQL, compiler, display_name
from alembic_live.autogenerate.stored import Answer, Part

NEUTRAL = {"postgresql_concurrently"}  # an option that an index does not keep


def compare_index(pending: Pending, wanted: Index, existing: Index) -> ComparisonResult:
    """Compare two indexes, or let the server compare them later."""
    one, other = ((bool(each.unique), _columns(each)) for each in (wanted, existing))
    if one == other and _is_plain(wanted) and _is_plain(existing):
        return ComparisonResult.Equal()
    table = _current(pending)
    try:
        sql = str(CreateIndex(wanted).compile(dialect=POSTGRESQL))
    except (SQLAlchemyError, NotImplementedError) as error:
        return _left(pending, table, "index", existing.name, error)
    assert wanted.table is not None
    on = f" ON {POSTGRESQL.identifier_preparer.format_table(wanted.table)} "
    name = POSTGRESQL.identifier_preparer.format_index(wanted)
    definition = sql[sql.index(on, sql.index(name) + len(name)) + len(on) :]
    unique = "UNIQUE " if wanted.unique else ""
    part = Part(
        "index", str(existing.name), "CREATE ", f"{unique}INDEX ON {table.copied.copy} {definition}"
    )
    _ask(pending, table, part, "index", wanted, existing)
    return ComparisonResult.Equal()


def compare_unique(
    pending: Pending, wanted: UniqueConstraint, existing: UniqueConstraint
) -> ComparisonResult:
    """Compare two unique constraints, or let the server compare them later."""
    table = _current(pending)
    deferrable = pending.reflection.of_table("deferrable", table.schema, table.name)
    when = deferrable.get(str(existing.name))
    if when is not None:
        existing.deferrable, existing.initially = True, when
    is_plain = not (when or wanted.deferrable or wanted.initially or _options(wanted))
    names = [[column.name for column in each.columns] for each in (wanted, existing)]
    if is_plain and not _options(existing) and names[0] == names[1]:
        return ComparisonResult.Equal()
    try:
        sql = str(compiler().process(wanted))
    except (SQLAlchemyError, NotImplementedError) as error:
        return _left(pending, table, "unique_constraint", existing.name, error)
    part = Part("unique", str(existing.name), f"ALTER TABLE {table.copied.copy} ADD ", sql)
    _ask(pending, table, part, "unique_constraint", wanted, existing)
    return ComparisonResult.Equal()


def _ask(
    pending: Pending,
    table: PendingTable,
    part: Part,
    kind: Literal["index", "unique_constraint"],
    wanted: Any,
    existing: Any,
) -> None:
    what = _what(table, kind, existing.name)

    def decide(answer: Answer) -> None:
        if answer.is_same or not pending.context.run_object_filters(
            wanted, existing.name, kind, False, existing
        ):
            return
        log.info("Detected changed %s: %s to %s", what, answer.existing, answer.wanted)
        if kind == "index":
            changes = [ops.DropIndexOp.from_index(existing), ops.CreateIndexOp.from_index(wanted)]
        else:
            changes = [
                ops.DropConstraintOp.from_constraint(existing),
                ops.AddConstraintOp.from_constraint(wanted),
            ]
        table.operations.ops.extend(changes)

    table.ask(what, part, decide)


def _left(
    pending: Pending, table: PendingTable, kind: str, name: Any, error: Exception
) -> ComparisonResult:
    pending.leave(_what(table, kind, name), f"SQLAlchemy cannot write it as SQL: {error}")
    return ComparisonResult.Equal()


def _what(table: PendingTable, kind: str, name: Any) -> str:
    return f"{kind.replace('_', ' ')} {display_name(table.schema, str(name))}"


def _current(pending: Pending) -> PendingTable:
    assert pending.current is not None
    return pending.current


def _is_plain(index: Index) -> bool:
    return not _options(index) and all(isinstance(each, Column) for each in index.expressions)


def _columns(index: Index) -> list[str]:
    return [column.name for column in index.columns]


def _options(item: Index | UniqueConstraint) -> list[str]:
    given = item.dialect_kwargs.items()
    # A clause has no truth value.
    return [
        name
        for name, value in given
        if name not in NEUTRAL and (isinstance(value, ClauseElement) or value)
    ]
