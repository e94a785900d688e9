"""Native enums in autogenerate, by alembic-postgresql-enum.

Values that are added are rendered in `concurrently`: the library (1.11.0) puts one that belongs
before another behind it, and does not escape quotation marks. Nor does it in the names of enums that are
created or dropped: one from a database could write code into a revision.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import alembic_postgresql_enum
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic_postgresql_enum.operations.add_enum_values import AddEnumValuesOp
from alembic_postgresql_enum.operations.create_enum import CreateEnumOp
from alembic_postgresql_enum.operations.drop_enum import DropEnumOp
from alembic_postgresql_enum.sql_commands.column_default import get_column_default


def compare_enums(include: Callable[[str], bool]) -> None:
    """Add native enums to what is compared, those with names that are to be included."""
    alembic_postgresql_enum.set_configuration(
        # `op` gains operations on enums at run time, which mypy cannot know.
        alembic_postgresql_enum.Config(add_type_ignore=True, include_name=include)
    )


def keep_defaults(migration: MigrationContext, upgrade: ops.UpgradeOps) -> None:
    """Taking a value back makes the type anew, which sets the defaults of its columns again: those
    that the database has now, not those that the models want, which come in a later revision.
    """
    assert migration.connection is not None
    for item in upgrade.ops:
        if isinstance(item, AddEnumValuesOp):
            item.affected_columns = [
                replace(
                    column,
                    existing_server_default=get_column_default(
                        migration.connection,
                        column.table_schema or item.schema,
                        column.table_name,
                        column.column_name,
                    ),
                )
                for column in item.affected_columns
            ]


def added_values(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Each value of `new` that `old` lacks, with the one that it stands before when it is added."""
    present = set(old)
    for position, value in enumerate(new):
        if value not in present:
            yield value, next((later for later in new[position:] if later in present), None)
            present.add(value)


@renderers.dispatch_for(CreateEnumOp, replace=True)
def _render_creation(context: AutogenContext, item: CreateEnumOp) -> str:
    return f"{_rendered(context, item)}.create(op.get_bind())"


@renderers.dispatch_for(DropEnumOp, replace=True)
def _render_drop(context: AutogenContext, item: DropEnumOp) -> str:
    return f"{_rendered(context, item)}.drop(op.get_bind())"


def _rendered(context: AutogenContext, item: CreateEnumOp | DropEnumOp) -> str:
    assert context.dialect is not None
    is_elsewhere = item.schema != context.dialect.default_schema_name
    schema = f", schema={str(item.schema)!r}" if is_elsewhere else ""
    return f"sa.Enum({', '.join(map(repr, item.enum_values))}, name={str(item.name)!r}{schema})"
