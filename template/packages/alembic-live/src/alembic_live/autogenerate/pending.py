"""Comparisons that wait for the server. Alembic compares one table after another; what only the
server can compare is collected, and asked for with one query when all tables are done.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Enum
from sqlalchemy.dialects.postgresql import DOMAIN

from alembic_live.autogenerate.column_types import named_types
from alembic_live.autogenerate.reflection import Reflection
from alembic_live.autogenerate.rendering import POSTGRESQL, display_name, sql_name
from alembic_live.autogenerate.stored import Answer, CopiedTable, Part, compare_stored
from alembic_live.printable import one_line
from alembic_live.sql.quoting import identifier, literal

log = logging.getLogger("alembic.autogenerate")

Decide = Callable[[Answer], None]

SHOWN = 5  # names in a warning


@dataclass(slots=True)
class PendingTable:
    """A table that the models and the database have, while it is compared."""

    schema: str | None  # None is the default schema, as in Alembic
    name: str
    copied: CopiedTable
    operations: ops.ModifyTableOps
    decisions: list[tuple[str, Decide]] = field(default_factory=list)
    conclusions: list[Callable[[], None]] = field(default_factory=list)  # after all decisions

    @property
    def sql_name(self) -> str:
        """The table in SQL."""
        return sql_name(self.schema, self.name)

    def ask(self, what: str, part: Part, decide: Decide) -> None:
        """Compare a part, and call `decide` with an answer that is not None.

        Args:
            what: the part, for people.
            part: the part.
            decide: what to do with the answer.
        """
        self.copied.parts.append(part)
        self.decisions.append((what, decide))

    def change_default(self, column: ops.AlterColumnOp, default: Any) -> None:
        """Write another server default."""
        column.modify_server_default = default
        if not any(each is column for each in self.operations.ops):
            place = [isinstance(each, COLUMNS) for each in self.operations.ops].count(True)
            self.operations.ops.insert(place, column)


COLUMNS = (ops.AddColumnOp, ops.AlterColumnOp)  # precede the other changes of a table


@dataclass(slots=True)
class Pending:
    """All that waits for the server in one comparison."""

    context: AutogenContext
    reflection: Reflection
    tables: dict[tuple[str | None, str], PendingTable] = field(default_factory=dict)
    not_compared: dict[str, list[str]] = field(default_factory=dict)  # names, by the reason
    current: PendingTable | None = None
    column: ops.AlterColumnOp | None = None  # the change of the column whose default is compared

    def table(self, schema: str | None, name: str) -> PendingTable:
        """The table that is compared now."""
        key = (schema, name)
        if key not in self.tables:
            dialect = self.context.dialect
            assert dialect is not None
            copied = CopiedTable(schema or str(dialect.default_schema_name), name)
            operations = ops.ModifyTableOps(name, [], schema=schema)
            self.tables[key] = PendingTable(schema, name, copied, operations)
        self.current = self.tables[key]
        return self.current

    def leave(self, name: str, reason: str) -> None:
        """Remember what is not compared, and why."""
        self.not_compared.setdefault(reason, []).append(name)

    def settle(self, upgrade: ops.UpgradeOps) -> None:
        """Ask the server, and add the differences to the upgrade."""
        connection = self.context.connection
        assert connection is not None
        asked = [table for table in self.tables.values() if table.copied.parts]
        for table in asked:
            table.copied.changes.extend(_changes(table))
        answers = iter(compare_stored(connection, [table.copied for table in asked]))
        for table in asked:
            for what, decide in table.decisions:
                answer = next(answers)
                if answer.is_same is None:
                    self.leave(what, answer.reason)
                else:
                    decide(answer)
            for conclude in table.conclusions:
                conclude()
        present = {id(group) for group in upgrade.ops}
        upgrade.ops.extend(
            table.operations
            for table in self.tables.values()
            if table.operations.ops and id(table.operations) not in present
        )
        for reason, names in self.not_compared.items():
            log.warning("Not compared: %s. Reason: %s.", _shown(names), one_line(reason))


def begin(context: AutogenContext, reflection: Reflection) -> Pending:
    """Begin a comparison. It lasts as long as its migration context."""
    impl: Any = context.migration_context.impl
    impl.pending = Pending(context, reflection)
    return pending_of(context)


def pending_of(context: AutogenContext) -> Pending:
    """The comparison in progress."""
    impl: Any = context.migration_context.impl
    pending: Pending = impl.pending
    return pending


def is_complete(migration: MigrationContext) -> bool:
    """Whether the last comparison compared everything."""
    pending = getattr(migration.impl, "pending", None)
    return pending is None or not pending.not_compared


def _changes(table: PendingTable) -> Iterator[str]:
    """What gives the copy the columns that the table will have."""
    alter = f"ALTER TABLE {table.copied.copy}"
    for item in table.operations.ops:
        if isinstance(item, ops.AddColumnOp):
            yield f"{alter} ADD COLUMN {_column(item.column)}"
        elif isinstance(item, ops.AlterColumnOp) and item.modify_type is not None:
            yield from map(_creation, named_types(item.modify_type))  # it may be new
            type_ = item.modify_type.compile(dialect=POSTGRESQL)
            yield f"{alter} ALTER COLUMN {identifier(item.column_name)} TYPE {type_} USING NULL"


def _creation(type_: Enum | DOMAIN) -> str:
    name = sql_name(type_.schema, str(type_.name))
    if isinstance(type_, DOMAIN):
        return f"CREATE DOMAIN {name} AS {type_.data_type.compile(dialect=POSTGRESQL)}"
    return f"CREATE TYPE {name} AS ENUM ({', '.join(map(literal, type_.enums))})"


def _column(column: Column[Any]) -> str:
    return f"{identifier(column.name)} {column.type.compile(dialect=POSTGRESQL)}"


def _shown(names: list[str]) -> str:
    shown = ", ".join(map(display_name, names[:SHOWN]))
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
