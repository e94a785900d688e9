"""Enums that get or lose values.

A value is added without a lock. To remove one, or to change the order, the type is recreated: what
uses it is dropped or converted, and created again. The revision has all of that as plain SQL.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import CommandError

from alembic_live.autogenerate.column_types import default_sql, is_plain, named_types
from alembic_live.autogenerate.enum_dependents import Dependents, EnumColumn, Table
from alembic_live.autogenerate.rendering import (
    Comment,
    Line,
    WrittenStatement,
    display_name,
    sql_name,
    statement_calls,
)
from alembic_live.sql.quoting import literal

TABLES = ops.CreateTableOp | ops.DropTableOp | ops.ModifyTableOps
DROPS = ops.DropIndexOp | ops.DropConstraintOp
OLD = "replaced_enum"  # what the old type is called until it is dropped


@dataclass(frozen=True, slots=True)
class LeftColumns:
    """The tables that a script drops, and the columns that it drops or gives another type."""

    tables: set[Table]
    columns: set[tuple[str | None, str, str]]

    def has(self, schema: str | None, table: str, column: str) -> bool:
        """Whether a column has its type no longer."""
        return (schema, table) in self.tables or (schema, table, column) in self.columns


class ChangedEnum(ops.MigrateOperation):
    """A change of the values of an enum.

    Attributes:
        dependents: what uses the enum. It is rebuilt when the type is recreated.
    """

    def __init__(
        self,
        schema: str | None,
        name: str,
        old: Sequence[str],
        new: Sequence[str],
        dependents: Dependents,
    ) -> None:
        self.schema, self.name = schema, name
        self.old, self.new = list(old), list(new)
        self.dependents = dependents

    def to_diff_tuple(self) -> Any:
        """What `alembic check` shows."""
        return ("change_enum", display_name(self.schema, self.name), self.old, self.new)

    @property
    def obstacles(self) -> list[str]:
        """What uses the type and cannot be rebuilt."""
        return [description for _, description in self.dependents.others]


class ReplaceEnum(ChangedEnum):
    """An enum that loses values or gets another order: the type is recreated."""

    new_columns: list[EnumColumn] | None = None  # the columns with the defaults after the change
    is_undo = False  # it is in a downgrade

    def reverse(self) -> "ReplaceEnum":
        """The way back."""
        reverse = ReplaceEnum(self.schema, self.name, self.new, self.old, self.dependents)
        if self.new_columns is not None:
            reverse.dependents = replace(self.dependents, columns=self.new_columns)
            reverse.new_columns = self.dependents.columns
        return reverse


class AddEnumValues(ChangedEnum):
    """An enum that gets values."""

    def reverse(self) -> ops.MigrateOperation:
        """The way back recreates the type, or leaves the values where they are."""
        if self.obstacles:
            return Comment(
                f"The new values of {display_name(self.schema, self.name)} stay. To remove them, "
                f"the type must be recreated, and Postgres does not allow that while "
                f"{', '.join(self.obstacles)} use it."
            )
        return ReplaceEnum(self.schema, self.name, self.new, self.old, self.dependents)


def left_columns(upgrade: ops.UpgradeOps) -> LeftColumns:
    """The columns that leave their type in a script."""
    left = LeftColumns(set(), set())
    for group in upgrade.ops:
        if isinstance(group, ops.DropTableOp):
            left.tables.add((group.schema, group.table_name))
        elif isinstance(group, ops.ModifyTableOps):
            left.columns.update(
                (group.schema, group.table_name, str(getattr(item, "column_name", "")))
                for item in group.ops
                if _leaves(item)
            )
    return left


def _leaves(item: Any) -> bool:
    """Whether a column gets rid of its enum."""
    return isinstance(item, ops.DropColumnOp) or (
        isinstance(item, ops.AlterColumnOp)
        and item.modify_type is not None
        and item.existing_type is not None
        and any(True for _ in named_types(item.existing_type))
    )


def _precedes(item: Any) -> bool:
    """Whether a change comes before the enums: a column leaves, or what belongs to one."""
    is_drop = isinstance(item, ops.DropTableOp | DROPS)
    return is_drop or _leaves(item) or (isinstance(item, Line) and bool(item.drops))


def arrange_enums(upgrade: ops.UpgradeOps) -> None:
    """Put changed enums where they work: after the columns that leave them, before those that come.
    A default that changes is changed together with the type.

    Raises:
        CommandError: Postgres cannot recreate a type; the text says what uses it.
    """
    replaced = [item for item in upgrade.ops if isinstance(item, ReplaceEnum)]
    if not replaced:
        return
    left = left_columns(upgrade)
    for item in replaced:
        _leave_out(item, left, _dropped_names(upgrade))
    _refuse(replaced)
    for item in replaced:
        item.new_columns = [
            _with_new_default(column, upgrade) for column in item.dependents.columns
        ]
    created = [*takewhile(lambda item: not isinstance(item, TABLES | ChangedEnum), upgrade.ops)]
    leaving = list(_take_leaving(upgrade))
    taken = [*created, *replaced]
    rest = [item for item in upgrade.ops if item not in taken and not _is_empty(item)]
    upgrade.ops[:] = [*created, *leaving, *replaced, *rest]


def _leave_out(item: ReplaceEnum, left: LeftColumns, dropped: set[str]) -> None:
    """Leave out what does not use the type when it is replaced."""
    old = item.dependents
    item.dependents = replace(
        old,
        columns=[each for each in old.columns if not left.has(*each[:3])],
        rebuilt=[
            each
            for each in old.rebuilt
            if each.table not in left.tables and each.name not in dropped
        ],
        defaults=[each for each in old.defaults if not left.has(*each.table_key, each.column)],
        others=[each for each in old.others if each[0] is None or each[0] not in left.tables],
    )


def _dropped_names(upgrade: ops.UpgradeOps) -> set[str]:
    """The indexes and constraints that the script drops."""
    names = ("index_name", "constraint_name", "drops")
    return {
        str(next(found for name in names if (found := getattr(item, name, None))))
        for group in upgrade.ops
        if isinstance(group, ops.ModifyTableOps)
        for item in group.ops
        if isinstance(item, DROPS) or (isinstance(item, Line) and item.drops)
    }


def _refuse(replaced: Sequence[ReplaceEnum]) -> None:
    for item in replaced:
        if item.obstacles:
            lost = [value for value in item.old if value not in item.new]
            raise CommandError(
                f"No revision was written. Enum {display_name(item.schema, item.name)} "
                + (f"loses {', '.join(map(display_name, lost))}" if lost else "gets another order")
                + ", so its type must be recreated, and Postgres does not allow that while these "
                f"use it: {', '.join(item.obstacles)}. Keep the values in the model, and add new "
                "ones at any place: that recreates nothing. Or drop what uses the type in an "
                "earlier revision, and create it again in a later one."
            )


def _with_new_default(column: EnumColumn, upgrade: ops.UpgradeOps) -> EnumColumn:
    """The column with the default that the script gives it. The script's change is removed."""
    for group in upgrade.ops:
        if not isinstance(group, ops.ModifyTableOps):
            continue
        for item in list(group.ops):
            if (
                isinstance(item, ops.AlterColumnOp)
                and (item.schema, item.table_name, item.column_name) == column[:3]
                and item.modify_server_default is not False
            ):
                default = item.modify_server_default
                item.existing_server_default, item.modify_server_default = default, False
                if not item.has_changes():
                    group.ops.remove(item)
                return column._replace(default=default_sql(default) if is_plain(default) else None)
    return column


def _take_leaving(upgrade: ops.UpgradeOps) -> Iterator[ops.MigrateOperation]:
    """Take the changes that precede the enums out of the script, with their comments."""
    for group in list(upgrade.ops):
        if isinstance(group, ops.DropTableOp):
            yield from _take(upgrade.ops, [group])
        elif isinstance(group, ops.ModifyTableOps):
            leaving = _take(group.ops, [item for item in group.ops if _precedes(item)])
            if leaving:
                yield ops.ModifyTableOps(group.table_name, leaving, schema=group.schema)


def _take(items: list[Any], taken: Sequence[Any]) -> list[Any]:
    """Take items out of a list, with the comments above each."""
    found = []
    for item in taken:
        end = items.index(item) + 1
        start = end - 1
        while start and isinstance(items[start - 1], Comment):
            start -= 1
        found += items[start:end]
        del items[start:end]
    return found


def _is_empty(item: ops.MigrateOperation) -> bool:
    return isinstance(item, ops.ModifyTableOps) and not item.ops


# Writing


def statements_of(item: ReplaceEnum) -> Iterator[WrittenStatement]:
    """The SQL that recreates a type."""
    columns = item.dependents.columns
    new_columns = item.new_columns if item.new_columns is not None else columns
    defaults: list[Any] = list(item.dependents.defaults)
    type_, old = sql_name(item.schema, item.name), sql_name(item.schema, OLD)
    for each in item.dependents.rebuilt:
        yield WrittenStatement(each.drop, f"{each.drop_rule}: created again below")
    for column in (*columns, *defaults):
        if column.default is not None:
            yield WrittenStatement(
                f"{_alter(column)} DROP DEFAULT", "ban-drop-default: set again below"
            )
    yield WrittenStatement(
        f"ALTER TYPE {type_} RENAME TO {OLD}", "renaming-object: created again below"
    )
    yield WrittenStatement(f"CREATE TYPE {type_} AS ENUM ({', '.join(map(literal, item.new))})")
    yield from map(WrittenStatement, _properties(type_, item.dependents))
    for table in dict.fromkeys((column.schema, column.table) for column in columns):
        changes = [
            f"ALTER COLUMN {sql_name(column.column)} TYPE {type_}{'[]' if column.is_array else ''} "
            f"USING {sql_name(column.column)}::text{'[]' if column.is_array else ''}::{type_}"
            + ("[]" if column.is_array else "")
            for column in columns
            if (column.schema, column.table) == table
        ]
        rewrite = f"ALTER TABLE {sql_name(*table)} {', '.join(changes)}"
        yield WrittenStatement(rewrite, "changing-column-type: a value is removed")
    for column in (*new_columns, *defaults):
        if column.default is not None:
            yield WrittenStatement(f"{_alter(column)} SET DEFAULT {column.default}")
    yield WrittenStatement(f"DROP TYPE {old}", "ban-drop-type: created again above")
    for each in reversed(item.dependents.rebuilt):
        yield WrittenStatement(each.create, f"{each.create_rules}: dropped above")
        yield from map(WrittenStatement, each.comment)


def _properties(type_: str, dependents: Dependents) -> Iterator[str]:
    """The SQL that gives a new type what the old one had."""
    if dependents.comment:
        yield f"COMMENT ON TYPE {type_} IS {literal(dependents.comment)}"
    if dependents.users is not None:
        if "PUBLIC" not in dependents.users:
            yield f"REVOKE USAGE ON TYPE {type_} FROM PUBLIC"
        for user in dependents.users:
            if user != "PUBLIC":
                yield f"GRANT USAGE ON TYPE {type_} TO {user}"


def _alter(column: Any) -> str:
    return f"ALTER TABLE {sql_name(*column.table_key)} ALTER COLUMN {sql_name(column.column)}"


def added_values(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """The values of `new` that `old` lacks, each with the value that it is added before."""
    present = set(old)
    for position, value in enumerate(new):
        if value not in present:
            yield value, next((later for later in new[position:] if later in present), None)
            present.add(value)


@renderers.dispatch_for(ReplaceEnum)
def _render_replacement(context: AutogenContext, item: ReplaceEnum) -> list[str]:
    return statement_calls(context, statements_of(item), is_undo=item.is_undo)


def add_enum_value_calls(item: AddEnumValues) -> list[str]:
    """The calls that add the values."""
    schema = f", schema={item.schema!r}" if item.schema else ""
    return [
        f"add_enum_value({item.name!r}, {value!r}"
        + (f", before={following!r}" if following is not None else "")
        + f"{schema})"
        for value, following in added_values(item.old, item.new)
    ]
