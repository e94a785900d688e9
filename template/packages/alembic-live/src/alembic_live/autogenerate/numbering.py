"""Columns that the database numbers: SERIAL and IDENTITY.

Alembic changes neither into the other, and a bigger SERIAL keeps a small sequence. Here the numbers
go on where they were, in both directions.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Column, Identity, Sequence

from alembic_live.autogenerate.column_types import sql_of
from alembic_live.autogenerate.pending import pending_of
from alembic_live.autogenerate.rendering import (
    WrittenStatement,
    display_name,
    sql_name,
    statement_calls,
)
from alembic_live.sql.quoting import IDENTIFIER, literal

OLD = "replaced_sequence"  # what an old sequence is called until it is dropped
SCHEMA = re.compile(IDENTIFIER + r"\.")  # at the start of a qualified name
ACCEPTS = "ban-alter-identity: BY DEFAULT accepts the numbers that clients insert"
LIMITS = {"SMALLINT": 2**15 - 1, "INTEGER": 2**31 - 1, "BIGINT": 2**63 - 1}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of an identity. None is not compared, and left to Postgres."""

    always: bool
    increment: int
    minvalue: int
    maxvalue: int
    start: int | None
    cache: int
    cycle: bool


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a column gets its numbers. Without options and sequence, from nobody."""

    type: str
    sequence: str | None = None
    options: Options | None = None  # of an identity

    @property
    def is_serial(self) -> bool:
        """Whether the default takes the numbers from a sequence."""
        return self.sequence is not None and self.options is None


class NumberingChange(ops.MigrateOperation):
    """A column gets its numbers in another way."""

    is_nullable_before = False  # an identity must be NOT NULL
    is_nullable_after = False
    is_undo = False  # it is in a downgrade

    def __init__(
        self, schema: str | None, table: str, column: str, old: Numbering, new: Numbering
    ) -> None:
        self.schema, self.table_name, self.column_name = schema, table, column
        self.old, self.new = old, new

    def reverse(self) -> "NumberingChange":
        """The change back."""
        reverse = NumberingChange(
            self.schema, self.table_name, self.column_name, self.new, self.old
        )
        reverse.is_nullable_before = self.is_nullable_after
        reverse.is_nullable_after = self.is_nullable_before
        return reverse

    def to_diff_tuple(self) -> Any:
        """What `alembic check` shows."""
        return ("modify_numbering", self.schema, self.table_name, self.column_name)


def setup(plugin: Plugin) -> None:
    """Compare identities, and look at the sequences of columns that get another type."""
    plugin.add_autogenerate_comparator(
        _compare_numbering, "column", "server_default", priority=DispatchPriority.FIRST
    )


def _compare_numbering(
    context: AutogenContext,
    item: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    column: str,
    existing: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    has_identity = [isinstance(each.server_default, Identity) for each in (existing, wanted)]
    _leave_missing_sequence(context, schema, table, existing, wanted)
    is_wider = item.modify_type is not None and sql_of(existing.type).upper() in LIMITS
    if not (any(has_identity) or (is_wider and existing.server_default is None)):
        return PriorityDispatchResult.CONTINUE
    old = _existing(context, schema, table, column, existing)
    new = _wanted(old, schema, table, column, wanted)
    if not any(has_identity) and not (old.is_serial and new.type in LIMITS):
        return PriorityDispatchResult.CONTINUE
    if not any(has_identity):
        new = replace(old, type=new.type)
    if any(has_identity):
        item.existing_server_default = existing.server_default
    if old != new and (old.is_serial or not _is_same_after_type(old, new)):
        item.modify_server_default = wanted.server_default if any(has_identity) else False
        change = NumberingChange(schema, table, column, old, new)
        change.is_nullable_before = bool(new.options and existing.nullable)
        item.info["numbering"] = change
    return PriorityDispatchResult.STOP if any(has_identity) else PriorityDispatchResult.CONTINUE


def _leave_missing_sequence(
    context: AutogenContext,
    schema: str | None,
    table: str,
    existing: Column[Any],
    wanted: Column[Any],
) -> None:
    """Name a key that SQLAlchemy makes SERIAL, and that the database does not number. Many models
    say nothing about it, so it is no difference.
    """
    is_numbered = wanted.table.autoincrement_column is wanted and not isinstance(
        wanted.default, Sequence
    )
    has_default = wanted.server_default is not None or existing.server_default is not None
    if is_numbered and not has_default:
        if _existing(context, schema, table, wanted.name, existing).is_serial:
            return
        pending_of(context).leave(
            f"numbers of {display_name(schema, table, wanted.name)}",
            "SQLAlchemy creates such a key as SERIAL, and the database does not number it. "
            "Write sa.Identity() in the model, or autoincrement=False",
        )


def _existing(
    context: AutogenContext, schema: str | None, table: str, column: str, existing: Column[Any]
) -> Numbering:
    type_ = sql_of(existing.type).upper()
    reflection = pending_of(context).reflection
    if schema == context.dialect.default_schema_name:
        schema = None
    for kind in ("identity", "serial"):
        detail = reflection.of_table(kind, schema, table).get(column)
        if detail is not None:
            options = json.loads(detail)
            sequence = sql_name(options.pop("schema"), options.pop("name"))
            return Numbering(type_, sequence, Options(**options) if kind == "identity" else None)
    return Numbering(type_)


def _wanted(
    old: Numbering, schema: str | None, table: str, column: str, wanted: Column[Any]
) -> Numbering:
    type_ = sql_of(wanted.type).upper()
    sequence = old.sequence or sql_name(schema, f"{table[:29]}_{column[:29]}_seq")
    if isinstance(wanted.server_default, Identity):
        return Numbering(type_, sequence, _options(wanted.server_default, type_))
    is_serial = wanted.table.autoincrement_column is wanted and wanted.server_default is None
    return Numbering(type_, sequence) if is_serial else Numbering(type_)


def _options(identity: Identity, type_: str) -> Options:
    """All options, with Postgres's defaults for those that the model does not give."""
    limit = LIMITS.get(type_, LIMITS["BIGINT"])
    increment = identity.increment or 1
    least, most = (1, limit) if increment > 0 else (-limit - 1, -1)
    return Options(
        bool(identity.always),
        increment,
        least if identity.minvalue is None else identity.minvalue,
        most if identity.maxvalue is None else identity.maxvalue,
        identity.start,
        identity.cache or 1,
        bool(identity.cycle),
    )


def _is_same_after_type(old: Numbering, new: Numbering) -> bool:
    """Whether two identities are the same when the column has the new type: Postgres changes the
    limit of the sequence with it. The start matters only if the model gives one.
    """
    one, other = old.options, new.options
    if one is None or other is None:
        return False
    if one.maxvalue == LIMITS.get(old.type):
        one = replace(one, maxvalue=LIMITS.get(new.type, one.maxvalue))
    return replace(one, start=other.start if other.start is None else one.start) == other


def change_numbering(upgrade: ops.UpgradeOps) -> None:
    """Write the changes that the comparison found, after the change of the type."""
    for group in upgrade.ops:
        if isinstance(group, ops.ModifyTableOps):
            group.ops[:] = [part for item in group.ops for part in _parts(item)]


def _parts(item: ops.MigrateOperation) -> Iterator[ops.MigrateOperation]:
    if not isinstance(item, ops.AlterColumnOp):
        yield item
        return
    item.kw.pop("autoincrement", None)  # it is for MySQL, and Alembic warns elsewhere
    change = item.info.get("numbering")
    if change is not None:
        item.existing_server_default = item.modify_server_default = False
        if item.modify_nullable is not None:
            change.is_nullable_after = item.modify_nullable
            item.modify_nullable = None
    if item.has_changes():
        yield item
    if change is not None:
        yield change


# Writing


@renderers.dispatch_for(NumberingChange)
def _render(context: AutogenContext, item: NumberingChange) -> list[str]:
    statements = [*_statements(item)]
    if item.is_nullable_before:
        statements.insert(0, WrittenStatement(f"{_alter(item)} SET NOT NULL"))
    if item.is_nullable_after:
        statements.append(WrittenStatement(f"{_alter(item)} DROP NOT NULL"))
    return statement_calls(context, statements, is_undo=item.is_undo)


def _statements(item: NumberingChange) -> Iterator[WrittenStatement]:
    old, new = item.old, item.new
    if old.options and new.options:
        change = f"{_alter(item)} {' '.join(_changed_options(old.options, new.options))}"
        yield WrittenStatement(change, "" if new.options.always else ACCEPTS)
    elif new.options and old.sequence:
        yield from _serial_to_identity(item, old.sequence, new)
    elif new.options:
        yield _addition(item, new, new.sequence)
        table, column = sql_name(item.schema, item.table_name), sql_name(item.column_name)
        last = f"{'max' if new.options.increment > 0 else 'min'}({column})"
        bounds = f"{new.options.minvalue} AND {new.options.maxvalue}"
        yield WrittenStatement(
            f"SELECT setval({literal(str(new.sequence))}, {last}) FROM {table} "
            f"HAVING {last} BETWEEN {bounds}"
        )
    elif new.is_serial and old.options:
        yield from _identity_to_serial(item, str(old.sequence), new)
    elif new.is_serial:
        yield WrittenStatement(f"ALTER SEQUENCE {new.sequence} AS {new.type}")
    else:
        yield WrittenStatement(f"{_alter(item)} DROP IDENTITY")


def _alter(item: NumberingChange) -> str:
    table = sql_name(item.schema, item.table_name)
    return f"ALTER TABLE {table} ALTER COLUMN {sql_name(item.column_name)}"


def _serial_to_identity(
    item: NumberingChange, sequence: str, new: Numbering
) -> Iterator[WrittenStatement]:
    identity = "the identity replaces it"
    yield WrittenStatement(f"{_alter(item)} DROP DEFAULT", f"ban-drop-default: {identity}")
    yield WrittenStatement(f"ALTER SEQUENCE {sequence} OWNED BY NONE")
    yield _rename(sequence)
    yield _addition(item, new, sequence)
    yield _setval(sequence)
    yield WrittenStatement(f"DROP SEQUENCE {_beside(sequence)}", f"ban-drop-sequence: {identity}")


def _identity_to_serial(
    item: NumberingChange, sequence: str, new: Numbering
) -> Iterator[WrittenStatement]:
    column = sql_name(item.schema, item.table_name, item.column_name)
    yield _rename(sequence)
    yield WrittenStatement(f"CREATE SEQUENCE {sequence} AS {new.type}")
    yield _setval(sequence)
    yield WrittenStatement(
        f"{_alter(item)} DROP IDENTITY", "ban-alter-identity: a default replaces it"
    )
    yield WrittenStatement(f"{_alter(item)} SET DEFAULT nextval({literal(sequence)})")
    yield WrittenStatement(f"ALTER SEQUENCE {sequence} OWNED BY {column}")


def _rename(sequence: str) -> WrittenStatement:
    rename = f"ALTER SEQUENCE {sequence} RENAME TO {OLD}"
    return WrittenStatement(rename, "renaming-object: created again below")


def _setval(sequence: str) -> WrittenStatement:
    """The numbers go on after those of the old sequence."""
    old = _beside(sequence)
    return WrittenStatement(f"SELECT setval({literal(sequence)}, last_value, is_called) FROM {old}")


def _beside(sequence: str) -> str:
    """The old sequence, in the schema of the new one."""
    schema = SCHEMA.match(sequence)
    return f"{schema[0]}{OLD}" if schema else OLD


def _addition(item: NumberingChange, new: Numbering, sequence: str | None) -> WrittenStatement:
    assert new.options is not None
    usual = _clauses(_options(Identity(increment=new.options.increment), new.type))
    given = _clauses(new.options)
    clauses = [
        clause
        for name, clause in given.items()
        if clause != usual.get(name) or (name == "increment" and new.options.increment != 1)
    ]
    kind = "ALWAYS" if new.options.always else "BY DEFAULT"
    words = " ".join([f"SEQUENCE NAME {sequence}", *clauses])
    addition = f"{_alter(item)} ADD GENERATED {kind} AS IDENTITY ({words})"
    return WrittenStatement(addition, "" if new.options.always else ACCEPTS)


def _changed_options(old: Options, new: Options) -> Iterator[str]:
    if old.always != new.always:
        yield f"SET GENERATED {'ALWAYS' if new.always else 'BY DEFAULT'}"
    before, after = _clauses(old), _clauses(new)
    yield from (f"SET {clause}" for name, clause in after.items() if clause != before.get(name))


def _clauses(options: Options) -> dict[str, str]:
    """The options in SQL, by their names."""
    clauses = {
        "increment": f"INCREMENT BY {options.increment}",
        "minvalue": f"MINVALUE {options.minvalue}",
        "maxvalue": f"MAXVALUE {options.maxvalue}",
        "cache": f"CACHE {options.cache}",
        "cycle": "CYCLE" if options.cycle else "NO CYCLE",
    }
    return clauses if options.start is None else clauses | {"start": f"START WITH {options.start}"}
