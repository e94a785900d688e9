"""Compares check constraints, exclusion constraints and primary keys."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import PriorityDispatchResult
from sqlalchemy import CheckConstraint, Constraint, Table, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import conv

from alembic_live.autogenerate.pending import Pending, PendingTable, log, pending_of
from alembic_live.autogenerate.rendering import (
    POSTGRESQL,
    BlockingLine,
    as_text,
    compiler,
    display_name,
    inline_sql,
    sql_name,
)
from alembic_live.autogenerate.stored import Answer, Part
from alembic_live.internals import require
from alembic_live.internals import sqlalchemy as internals


def compare_constraints(
    context: AutogenContext,
    group: ops.ModifyTableOps,
    schema: str | None,
    table_name: str,
    existing: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    """Compare the constraints of a table that Alembic does not compare."""
    if wanted is None:
        return PriorityDispatchResult.CONTINUE
    require(internals.CONSTRAINTS)
    if existing is None:
        _add_checks_of_columns(group, wanted)
        return PriorityDispatchResult.CONTINUE
    pending = pending_of(context)
    table = pending.table(schema, table_name)
    table.operations = group
    _compare_primary_key(pending, table, wanted)
    _compare_by_name(pending, table, _checks(context, table, existing, wanted))
    _compare_by_name(pending, table, _exclusions(pending, table, wanted))
    return PriorityDispatchResult.CONTINUE


OTHER_NAME = (
    "the models have another name for it, which changes nothing else. "
    "ALTER TABLE … RENAME CONSTRAINT … TO … gives it that name"
)
USE_INDEX = (
    "To avoid that, first build a unique index concurrently, and use it: ADD CONSTRAINT … PRIMARY KEY "
    "USING INDEX …."
)


def _builds(table: PendingTable) -> str:
    return (
        f"Blocks reads and writes of {display_name(table.schema, table.name)} while it builds an index "
        "(ACCESS EXCLUSIVE)."
    )


@dataclass(frozen=True, slots=True)
class Constraints:
    """The constraints of one kind that a table has.

    Attributes:
        kind: the kind.
        wanted: those of the model.
        existing: the conditions of those in the database by their names, as far as they are known.
        add: adds one of the model; given its name and the definition that Postgres would store.
        drop: drops one of the database; given its name and its definition.
    """

    kind: Literal["check", "exclude"]
    wanted: Sequence[Any]
    existing: dict[str, str]
    add: Callable[[Any, str | None, Answer | None], None]
    drop: Callable[[str, Answer | None], None]


def _compare_by_name(pending: Pending, table: PendingTable, these: Constraints) -> None:
    unnamed = [each for each in these.wanted if name_in_database(each) is None]
    named = {name: each for each in these.wanted if (name := name_in_database(each)) is not None}
    others = sorted(these.existing.keys() - named.keys())
    for name, constraint in sorted(named.items()):
        if name not in these.existing:
            these.add(constraint, name, None)
        elif not _is_printed_so(constraint, these.existing[name]):
            _ask(pending, table, these, constraint, name)
    if unnamed:
        _match(pending, table, these, unnamed, others)
    else:
        for name in others:
            _drop(pending, table, these, name)


def _ask(
    pending: Pending, table: PendingTable, these: Constraints, constraint: Any, name: str
) -> None:
    what = f"{these.kind} constraint {display_name(table.schema, table.name, name)}"
    part = _part(pending, table, these.kind, constraint, name, what)

    def decide(answer: Answer) -> None:
        if not answer.is_same:
            log.info("Detected changed %s: %s to %s", what, answer.existing, answer.wanted)
            these.drop(name, answer)
            these.add(constraint, name, answer)

    if part:
        table.ask(what, part, decide)


def _drop(pending: Pending, table: PendingTable, these: Constraints, name: str) -> None:
    if these.kind == "check":
        these.drop(name, None)
    else:
        these.drop(name, Answer(False, these.existing[name]))


def _match(
    pending: Pending,
    table: PendingTable,
    these: Constraints,
    unnamed: list[Any],
    others: list[str],
) -> None:
    """Compare constraints without a name with those that no model names, by their definitions."""
    known: dict[str, Answer] = {}
    wanted: list[tuple[Any, Answer]] = []

    def remember(name: str) -> Callable[[Answer], None]:
        return lambda answer: known.update({name: answer})

    def want(constraint: Any) -> Callable[[Answer], None]:
        return lambda answer: wanted.append((constraint, answer))

    for name in others:
        what = f"{these.kind} constraint {display_name(table.schema, table.name, name)}"
        table.ask(
            what,
            Part(these.kind, name, f"ALTER TABLE {table.copied.copy} ADD ", ""),
            remember(name),
        )
    for constraint in unnamed:
        what = f"{these.kind} constraint without a name of {display_name(table.schema, table.name)}"
        if part := _part(pending, table, these.kind, constraint, "", what):
            table.ask(what, part, want(constraint))

    def conclude() -> None:
        if len(wanted) < len(unnamed):
            return  # some are not compared, and each of the others may be one of them
        for constraint, answer in wanted:
            same = [name for name, other in known.items() if other.existing == answer.wanted]
            if same:
                del known[same[0]]
            else:
                these.add(constraint, answer.name, answer)
        for name, answer in known.items():
            these.drop(name, answer)

    table.conclusions.append(conclude)


def _part(
    pending: Pending,
    table: PendingTable,
    kind: Literal["check", "exclude"],
    constraint: Any,
    name: str,
    what: str,
) -> Part | None:
    try:
        sql = str(compiler().process(constraint))
    except (SQLAlchemyError, NotImplementedError) as error:
        pending.leave(what, f"SQLAlchemy cannot write it as SQL: {error}")
        return None
    # A check that is not validated executes nothing.
    after = " NOT VALID" if kind == "check" else ""
    return Part(kind, name, f"ALTER TABLE {table.copied.copy} ADD ", sql, after)


def name_in_database(constraint: Constraint) -> str | None:
    """The name that a constraint of a model gets in the database."""
    quote = POSTGRESQL.identifier_preparer
    name = quote.format_constraint(constraint) if constraint.name is not None else None
    return None if name is None else ".".join(quote.unformat_identifiers(name))


# Checks


def _checks(
    context: AutogenContext, table: PendingTable, reflected: Table, wanted: Table
) -> Constraints:
    place = {"table_name": table.name, "schema_name": table.schema}
    found = pending_of(context).reflection.reflected["check_constraints"]
    existing = {
        each["name"]: "" if each.get("dialect_options") else each["sqltext"]
        for each in found.get((table.schema, table.name), ())
        if context.run_name_filters(each["name"], "check_constraint", place)  # type: ignore[arg-type]
    }

    def old(name: str | None) -> CheckConstraint:
        condition = next(
            each["sqltext"] for each in found[table.schema, table.name] if each["name"] == name
        )
        return CheckConstraint(text(as_text(condition)), name=conv(str(name)), table=reflected)

    def add(constraint: Any, name: str | None, answer: Answer | None) -> None:
        other = old(name) if name in existing else None
        if _is_of_new_column(table, constraint):
            return  # the type of the column brings it
        if context.run_object_filters(constraint, name, "check_constraint", False, other):
            log.info("Detected added check constraint %r on table %r", name, table.name)
            addition: Any = ops.AddConstraintOp.from_constraint(constraint)
            if addition.constraint_name is None:
                addition.constraint_name = name
            table.operations.ops.append(addition)

    def drop(name: str, answer: Answer | None) -> None:
        constraint = old(name)
        if context.run_object_filters(constraint, name, "check_constraint", True, None):
            log.info("Detected removed check constraint %r on table %r", name, table.name)
            table.operations.ops.append(ops.DropConstraintOp.from_constraint(constraint))

    return Constraints("check", _created_checks(wanted), existing, add, drop)


def _is_of_new_column(table: PendingTable, constraint: CheckConstraint) -> bool:
    new = {item.column.name for item in table.operations.ops if isinstance(item, ops.AddColumnOp)}
    return internals.is_of_type(constraint) and bool(
        new & {each.name for each in constraint.columns}
    )


def _created_checks(table: Table) -> list[CheckConstraint]:
    """The checks of a table and its columns that Postgres gets."""
    own = [*table.constraints, *(each for column in table.columns for each in column.constraints)]
    return [
        each
        for each in own
        if isinstance(each, CheckConstraint) and internals.is_created(each, POSTGRESQL)
    ]


def _is_printed_so(constraint: Any, printed: str) -> bool:
    if not isinstance(constraint, CheckConstraint):
        return False
    return inline_sql(constraint.sqltext) == printed and not constraint.dialect_kwargs


def _add_checks_of_columns(group: ops.ModifyTableOps, table: Table) -> None:
    """Alembic leaves the checks of columns out of a new table."""
    for column in table.columns:
        for constraint in column.constraints:
            if isinstance(constraint, CheckConstraint):
                addition: Any = ops.AddConstraintOp.from_constraint(constraint)
                if addition.constraint_name is None:
                    addition.constraint_name = f"{table.name}_{column.name}_check"
                group.ops.append(addition)


# Exclusion constraints


def _exclusions(pending: Pending, table: PendingTable, wanted: Table) -> Constraints:
    alter = f"ALTER TABLE {table.sql_name}"

    def statements(name: str | None, definition: str) -> tuple[str, str]:
        quoted = sql_name(name) if name else ""
        adding = (
            f"{alter} ADD CONSTRAINT {quoted} {definition}" if name else f"{alter} ADD {definition}"
        )
        return adding, f"{alter} DROP CONSTRAINT {quoted}"

    def add(constraint: Any, name: str | None, answer: Answer | None) -> None:
        log.info("Detected added exclusion constraint %r on table %r", name, table.name)
        definition = str(compiler().process(constraint))
        if answer and answer.wanted:
            definition = answer.wanted
        elif name:
            definition = definition[definition.index("EXCLUDE USING") :]
        line = BlockingLine.of_sql(*statements(name, definition))
        table.operations.ops.append(line.saying(_builds(table), ""))

    def drop(name: str, answer: Answer | None) -> None:
        log.info("Detected removed exclusion constraint %r on table %r", name, table.name)
        adding, dropping = statements(name, existing[name])
        line = BlockingLine.of_sql(dropping, adding, drops=name)
        table.operations.ops.append(line.saying("", _builds(table)))

    existing = pending.reflection.of_table("exclude", table.schema, table.name)
    exclusions = [each for each in wanted.constraints if isinstance(each, ExcludeConstraint)]
    return Constraints("exclude", exclusions, existing, add, drop)


# Primary keys


def _compare_primary_key(pending: Pending, table: PendingTable, wanted: Table) -> None:
    key = pending.reflection.reflected["pk_constraint"].get((table.schema, table.name)) or {}
    old, new = list(key.get("constrained_columns", ())), [each.name for each in wanted.primary_key]
    if old == new:
        name = name_in_database(wanted.primary_key)
        if old and name not in (None, key.get("name")):
            what = display_name(table.schema, table.name, str(key.get("name")))
            pending.leave(f"name of {what}", OTHER_NAME)
        return
    log.info("Detected changed primary key of table %r: %s to %s", table.name, old, new)
    old_name = str(key.get("name"))
    new_name = name_in_database(wanted.primary_key) or (old_name if old else f"{table.name}_pkey")
    change = _primary_key_change(table, (old_name, old), (new_name, new))
    undo = _primary_key_change(table, (new_name, new), (old_name, old))
    line = BlockingLine.of_sql(change, undo, drops=old_name if old else "")
    builds = f"{_builds(table)} {USE_INDEX}"
    table.operations.ops.append(line.saying(builds if new else "", builds if old else ""))


def _primary_key_change(
    table: PendingTable, old: tuple[str, list[str]], new: tuple[str, list[str]]
) -> str:
    (old_name, old_columns), (new_name, new_columns) = old, new
    columns = ", ".join(map(sql_name, new_columns))
    parts = [
        f"DROP CONSTRAINT {sql_name(old_name)}" if old_columns else "",
        f"ADD CONSTRAINT {sql_name(new_name)} PRIMARY KEY ({columns})" if new_columns else "",
    ]
    return f"ALTER TABLE {table.sql_name} {', '.join(filter(None, parts))}"
