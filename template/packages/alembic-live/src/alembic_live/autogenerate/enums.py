"""Native enums in autogenerate: one query reads them all."""

import logging
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import CommandError, DispatchPriority, PriorityDispatchResult
from sqlalchemy import Enum, text

from alembic_live.autogenerate.column_types import named_types
from alembic_live.autogenerate.enum_dependents import Dependents, dependents_of
from alembic_live.autogenerate.enum_replacement import (
    AddEnumValues,
    ReplaceEnum,
    left_columns,
)
from alembic_live.autogenerate.rendering import allowing, display_name

ENUMS = text(
    """
    SELECT t.oid, nullif(n.nspname, current_schema()) AS schema, t.typname AS name,
           ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid
                 ORDER BY enumsortorder) AS labels
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype = 'e' AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = t.oid AND deptype = 'e'
    )
    ORDER BY 2, 3
    """
)

Name = tuple[str | None, str]  # schema and name

log = logging.getLogger("alembic.autogenerate")


class EnumLifecycleOp(ops.MigrateOperation):
    """The creation or the drop of an enum."""

    def __init__(self, schema: str | None, name: str, labels: Sequence[str]) -> None:
        self.schema, self.name, self.labels = schema, name, list(labels)

    def to_diff_tuple(self) -> Any:
        """What `alembic check` shows."""
        return (self.verb, display_name(self.schema, self.name), self.labels)

    verb = ""


class CreateEnum(EnumLifecycleOp):
    """The creation of an enum."""

    verb = "create_enum"

    def reverse(self) -> "DropEnum":
        """The drop."""
        return DropEnum(self.schema, self.name, self.labels)


class DropEnum(EnumLifecycleOp):
    """The drop of an enum."""

    verb = "drop_enum"
    is_undo = False  # it is in a downgrade

    def reverse(self) -> CreateEnum:
        """The creation."""
        return CreateEnum(self.schema, self.name, self.labels)


def setup(plugin: Plugin) -> None:
    """Compare enums after the tables."""
    plugin.add_autogenerate_comparator(
        _compare_enums, "schema", "enums", priority=DispatchPriority.LAST
    )


def leave_enums_to_this_library() -> None:
    """Old revisions import alembic-postgresql-enum for their operations, and that registers its own
    comparison. Let it find nothing.
    """
    package = sys.modules.get("alembic_postgresql_enum")
    if package is not None:
        package.set_configuration(package.Config(include_name=lambda _: False))


@dataclass(frozen=True, slots=True)
class ExistingEnum:
    """An enum in the database."""

    oid: int
    labels: list[str]


def _compare_enums(
    context: AutogenContext, upgrade: ops.UpgradeOps, schemas: Iterable[str | None]
) -> PriorityDispatchResult:
    connection = context.connection
    assert connection is not None
    existing = {
        (row.schema, str(row.name)): ExistingEnum(row.oid, list(row.labels))
        for row in connection.execute(ENUMS)
    }
    wanted = wanted_enums(context)
    created: list[ops.MigrateOperation] = []
    changed: list[ops.MigrateOperation] = []
    dropped: list[ops.MigrateOperation] = []
    for (schema, name), labels in wanted.items():
        found = existing.get((schema, name))
        if found is None:
            created.append(CreateEnum(schema, name, labels))
            log.info("Detected added enum '%s'", display_name(schema, name))
        elif found.labels != labels:
            _log_change(display_name(schema, name), found.labels, labels)
            dependents = dependents_of(connection, found.oid)
            change = AddEnumValues if _only_adds(found.labels, labels) else ReplaceEnum
            changed.append(change(schema, name, found.labels, labels, dependents))
    for (schema, name), enum in existing.items():
        is_extra = (schema, name) not in wanted and schema in schemas
        if is_extra and has_no_other_use(dependents_of(connection, enum.oid), upgrade):
            dropped.append(DropEnum(schema, name, enum.labels))
            log.info("Detected removed enum '%s'", display_name(schema, name))
    upgrade.ops[:] = [*created, *changed, *upgrade.ops, *dropped]
    return PriorityDispatchResult.CONTINUE


def _log_change(name: str, old: list[str], new: list[str]) -> None:
    """Say what differs, as Alembic does for tables. `alembic check` itself prints all values."""
    added, removed = (
        [label for label in one if label not in other] for one, other in ((new, old), (old, new))
    )
    if added:
        log.info(
            "Detected added values of enum '%s': %s", name, ", ".join(map(display_name, added))
        )
    if removed:
        log.info(
            "Detected removed values of enum '%s': %s", name, ", ".join(map(display_name, removed))
        )
    if [label for label in old if label in new] != [label for label in new if label in old]:
        log.info("Detected another order of the values of enum '%s'", name)


def wanted_enums(context: AutogenContext) -> dict[Name, list[str]]:
    """The enums of the models, with their labels.

    Raises:
        CommandError: two types with one name have different labels.
    """
    found: dict[Name, tuple[list[str], str]] = {}
    for table in context.table_key_to_table.values():
        for column in table.columns:
            for type_ in named_types(column.type):
                if not isinstance(type_, Enum):
                    continue
                is_default = type_.schema == context.dialect.default_schema_name
                name = (None if is_default else type_.schema, str(type_.name))
                place = f"{display_name(table.schema, table.name)}.{column.name}"
                labels = [str(label) for label in type_.enums]
                other, other_place = found.setdefault(name, (labels, place))
                if other != labels:
                    raise CommandError(
                        f"The models have two enums with the name {display_name(*name)}: {other_place}"
                        f" has {', '.join(other)}, and {place} has {', '.join(labels)}. Postgres has "
                        "one. Use one Python enum for both, or give one of them another name."
                    )
    return {name: labels for name, (labels, _) in found.items()}


def _only_adds(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether the new labels are the old ones, in their order, and more."""
    kept = [label for label in new if label in set(old)]
    return kept == list(old)


def has_no_other_use(dependents: Dependents, upgrade: ops.UpgradeOps) -> bool:
    """Whether nothing uses an enum after the upgrade. An enum that the models do not have
    belongs to the function, the view or the excluded table that uses it.
    """
    left = left_columns(upgrade)
    return not any(table not in left.tables for table, _ in dependents.others) and all(
        left.has(column.schema, column.table, column.column) for column in dependents.columns
    )


@renderers.dispatch_for(CreateEnum)
def _render_creation(_context: AutogenContext, item: CreateEnum) -> str:
    return f"{_render_enum(item)}.create(op.get_bind())"


@renderers.dispatch_for(DropEnum)
def _render_drop(_context: AutogenContext, item: DropEnum) -> list[str]:
    comment = [] if item.is_undo else [f"# {allowing('ban-drop-type: no column has it')}"]
    return [*comment, f"{_render_enum(item)}.drop(op.get_bind())"]


def _render_enum(item: EnumLifecycleOp) -> str:
    schema = f", schema={item.schema!r}" if item.schema else ""
    return f"sa.Enum({', '.join(map(repr, item.labels))}, name={item.name!r}{schema})"
