"""Compares what belongs to a column: its server default, its computed expression, its collation."""

from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import PriorityDispatchResult
from sqlalchemy import Column, Computed, DefaultClause, Identity
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from alembic_live.autogenerate.pending import Pending, PendingTable, log, pending_of
from alembic_live.autogenerate.rendering import (
    POSTGRESQL,
    BlockingLine,
    compiler,
    display_name,
    inline_sql,
    sql_name,
)
from alembic_live.autogenerate.stored import COMPUTED, Answer, Part
from alembic_live.sql.quoting import identifier

SYNONYMS = {"varchar": "character varying", "char": "bpchar"}  # for types in casts

# Versions of the server.
CAN_SET_EXPRESSION = (17,)
VIRTUAL = (18,)  # the default kind of a computed column


def compare_default(
    context: AutogenContext,
    item: ops.AlterColumnOp,
    schema: str | None,
    table_name: str,
    name: str,
    existing: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Compare the server default of a column. Alembic compares identities."""
    old, new = existing.server_default, wanted.server_default
    if isinstance(new, Identity) or (isinstance(old, Identity) and new is None):
        return PriorityDispatchResult.CONTINUE
    table = pending_of(context).table(schema, table_name)
    if isinstance(old, Computed) or isinstance(new, Computed):
        if isinstance(old, Computed) and isinstance(new, Computed):
            _compare_computed(context, table, existing, old, new)
        else:
            pending_of(context).leave(
                f"column {display_name(schema, table_name, name)}",
                "Postgres cannot make an existing column computed, or a computed one plain",
            )
        return PriorityDispatchResult.STOP
    item.existing_server_default = old
    if isinstance(new, DefaultClause):
        pending_of(context).column = item  # the type, which is compared later, decides its form
    elif new is None and old is not None:
        log.info("Detected removed server default on column '%s.%s'", table_name, name)
        item.modify_server_default = None
    return PriorityDispatchResult.STOP


def compare_expression(
    context: AutogenContext,
    item: ops.AlterColumnOp,
    schema: str | None,
    table_name: str,
    _name: str,
    existing: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Compare the expression of a default, if no other comparison has done that."""
    pending = pending_of(context)
    if pending.column is item:
        _compare(pending, pending.table(schema, table_name), item, existing, wanted)
    return PriorityDispatchResult.CONTINUE


def compare_collation(
    _context: AutogenContext,
    item: ops.AlterColumnOp,
    _schema: str | None,
    table_name: str,
    name: str,
    existing: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Compare the collation of a column whose type is the same otherwise."""
    if item.modify_type is None and _collation(existing.type) != _collation(wanted.type):
        log.info("Detected changed collation of column '%s.%s'", table_name, name)
        item.modify_type = wanted.type
    return PriorityDispatchResult.CONTINUE


def _collation(type_: TypeEngine[Any]) -> str | None:
    collation = getattr(type_, "collation", None)
    return None if collation == "default" else collation


def _compare(
    pending: Pending,
    table: PendingTable,
    item: ops.AlterColumnOp,
    existing: Column[Any],
    wanted: Column[Any],
) -> None:
    what = f"default of {display_name(table.schema, table.name, wanted.name)}"
    printed = pending.reflection.defaults.get((table.schema, table.name, existing.name))
    try:
        sql = str(compiler().get_column_default_string(wanted))
    except (SQLAlchemyError, NotImplementedError) as error:
        pending.leave(what, f"SQLAlchemy cannot write it as SQL: {error}")
        return
    if item.modify_type is None and _is_printed_so(sql, printed, existing.type):
        return

    def decide(answer: Answer) -> None:
        if not answer.is_same:
            log.info("Detected changed %s: %s", what, answer.wanted or sql)
            table.change_default(item, wanted.server_default)

    alter = f"ALTER TABLE {table.copied.copy} ALTER COLUMN {identifier(wanted.name)}"
    table.ask(what, Part("default", wanted.name, f"{alter} SET DEFAULT ", sql), decide)


def _is_printed_so(sql: str, printed: str | None, type_: TypeEngine[Any]) -> bool:
    """Whether Postgres certainly prints a default so: the same text, or a string that is cast to the
    type of the column.
    """
    if printed is None or sql == printed:
        return printed is not None
    cast = type_.compile(dialect=POSTGRESQL).partition("(")[0]
    cast = cast if cast.startswith('"') or not cast.isupper() else cast.lower()
    return sql.startswith("'") and printed == f"{sql}::{SYNONYMS.get(cast, cast)}"


def _compare_computed(
    context: AutogenContext, table: PendingTable, column: Column[Any], old: Computed, new: Computed
) -> None:
    pending = pending_of(context)
    connection, name = context.connection, column.name
    assert connection is not None
    what = f"column {display_name(table.schema, table.name, name)}"
    sql = inline_sql(new.sqltext)
    version = connection.dialect.server_version_info or ()
    is_stored = new.persisted is not False and (new.persisted is True or version < VIRTUAL)
    if is_stored != bool(old.persisted):
        pending.leave(what, "Postgres cannot make a virtual column a stored one, or the reverse")
        return
    add = f"ALTER TABLE {table.copied.copy} ADD COLUMN {COMPUTED}"
    printed = pending.reflection.defaults.get((table.schema, table.name, name))
    if sql == printed:
        return

    def decide(answer: Answer) -> None:
        if answer.is_same:
            return
        if version < CAN_SET_EXPRESSION:
            pending.leave(what, "only Postgres 17 can change the expression of a computed column")
            return
        log.info("Detected changed expression of %s: %s", what, answer.wanted or sql)
        alter = f"ALTER TABLE {table.sql_name} ALTER COLUMN {sql_name(name)} SET EXPRESSION AS"
        new, old = f"{alter} ({answer.wanted or sql})", f"{alter} ({answer.existing})"
        line = BlockingLine.of_sql(new, old)
        if is_stored:
            shown = display_name(table.schema, table.name)
            rewrites = f"Rewrites {shown} under ACCESS EXCLUSIVE, so reads and writes block."
            line = line.saying(rewrites, rewrites)
        table.operations.ops.append(line)

    type_ = column.type.compile(dialect=POSTGRESQL)
    kind = "STORED" if is_stored else "VIRTUAL"
    part = Part("computed", name, f"{add} {type_} GENERATED ALWAYS AS (", sql, f") {kind}")
    table.ask(what, part, decide)
