"""Native enums in autogenerate, based on alembic-postgresql-enum.

`zero_downtime` renders added values, because alembic-postgresql-enum 1.11.0 ignores their order and
does not escape quotation marks. This module renders the creation and the drop of enums, because
1.11.0 does not escape their names: a name from a database could inject code into a revision.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import alembic_postgresql_enum
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from alembic_live.internals.alembic_postgresql_enum import (
    AddEnumValuesOp,
    CreateEnumOp,
    DropEnumOp,
)

DEFAULT = text(
    "SELECT column_default FROM information_schema.columns"
    " WHERE table_schema = :schema AND table_name = :table AND column_name = :column"
)


def compare_enums(include: Callable[[str], bool]) -> None:
    """Compare native enums whose names `include` accepts."""
    alembic_postgresql_enum.set_configuration(
        # mypy does not know the operations that the package adds to `op` at run time.
        alembic_postgresql_enum.Config(add_type_ignore=True, include_name=include)
    )


def keep_defaults(migration: MigrationContext, upgrade: ops.UpgradeOps) -> None:
    """Let downgrades of added values restore the column defaults that the database has now. The
    downgrade recreates the type and its columns' defaults. The models' new defaults come in a later
    revision.
    """
    assert migration.connection is not None
    for item in upgrade.ops:
        if isinstance(item, AddEnumValuesOp):
            item.affected_columns = [
                replace(
                    column,
                    existing_server_default=migration.connection.scalar(
                        DEFAULT,
                        {
                            "schema": column.table_schema or item.schema,
                            "table": column.table_name,
                            "column": column.column_name,
                        },
                    ),
                )
                for column in item.affected_columns
            ]


def added_values(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """The values of `new` that `old` lacks, each with the value that it is added before."""
    present = set(old)
    for position, value in enumerate(new):
        if value not in present:
            yield value, next((later for later in new[position:] if later in present), None)
            present.add(value)


@renderers.dispatch_for(CreateEnumOp, replace=True)
def _render_creation(context: AutogenContext, item: CreateEnumOp) -> str:
    return f"{_render_enum(context, item)}.create(op.get_bind())"


@renderers.dispatch_for(DropEnumOp, replace=True)
def _render_drop(context: AutogenContext, item: DropEnumOp) -> str:
    return f"{_render_enum(context, item)}.drop(op.get_bind())"


def _render_enum(context: AutogenContext, item: CreateEnumOp | DropEnumOp) -> str:
    assert context.dialect is not None
    is_in_default_schema = item.schema == context.dialect.default_schema_name
    schema = "" if is_in_default_schema else f", schema={str(item.schema)!r}"
    return f"sa.Enum({', '.join(map(repr, item.enum_values))}, name={str(item.name)!r}{schema})"
