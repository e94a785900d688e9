"""The comparison of defaults, constraints and indexes with what Postgres stores, as a plugin of
Alembic.
"""

from collections.abc import Collection
from functools import partial
from typing import Any, Literal

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import DefaultClause, Table
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.expression import ColumnClause

from alembic_live.autogenerate.columns import (
    compare_collation,
    compare_default,
    compare_expression,
)
from alembic_live.autogenerate.constraints import compare_constraints
from alembic_live.autogenerate.indexes import compare_index, compare_unique
from alembic_live.autogenerate.pending import Pending, begin, pending_of
from alembic_live.autogenerate.reflection import reflect
from alembic_live.autogenerate.rendering import as_text, inline_sql


def setup(plugin: Plugin) -> None:
    """Read the catalog first, compare each table, and ask the server last."""
    first, last = DispatchPriority.FIRST, DispatchPriority.LAST
    plugin.add_autogenerate_comparator(
        _begin, "schema", "parts", qualifier="postgresql", priority=first
    )
    plugin.add_autogenerate_comparator(compare_default, "column", "server_default", priority=first)
    plugin.add_autogenerate_comparator(compare_collation, "column", "types", priority=last)
    plugin.add_autogenerate_comparator(compare_expression, "column", "parts", priority=last)
    plugin.add_autogenerate_comparator(
        compare_constraints, "table", "parts", qualifier="postgresql", priority=first
    )
    plugin.add_autogenerate_comparator(
        _settle, "schema", "parts", qualifier="postgresql", priority=last
    )


def _begin(
    context: AutogenContext, _upgrade: ops.UpgradeOps, schemas: Collection[str | None]
) -> PriorityDispatchResult:
    pending = begin(context, reflect(context, schemas))
    # Alembic takes these from its implementation of a dialect.
    impl: Any = context.migration_context.impl
    impl.autogen_column_reflect = partial(_reflect_column, pending)
    impl.compare_indexes = partial(compare_index, pending)
    impl.compare_unique_constraint = partial(compare_unique, pending)
    impl.render_ddl_sql_expr = render_expression
    return PriorityDispatchResult.CONTINUE


def _settle(
    context: AutogenContext, upgrade: ops.UpgradeOps, _schemas: Collection[str | None]
) -> PriorityDispatchResult:
    pending_of(context).settle(upgrade)
    return PriorityDispatchResult.CONTINUE


def _reflect_column(pending: Pending, _inspector: object, table: Table, column: Any) -> None:
    """Keep what Postgres prints, and omit the default of a SERIAL column, which its type implies."""
    name, default, computed = column["name"], column.get("default"), column.get("computed")
    if computed:
        pending.reflection.defaults[table.schema, table.name, name] = computed["sqltext"]
        column["computed"] = computed | {"sqltext": as_text(computed["sqltext"])}
    elif default:
        pending.reflection.defaults[table.schema, table.name, name] = default
        if pending.reflection.is_serial(table.schema, table.name, name) and not _has_default(
            pending.context, table, name
        ):
            del column["default"]
        else:
            column["default"] = as_text(default)


def _has_default(context: AutogenContext, table: Table, name: str) -> bool:
    """Whether the model gives a column a default."""
    model = context.table_key_to_table.get(table.key)
    column = model.columns.get(name) if model is not None else None
    return column is not None and column.server_default is not None


def render_expression(
    expression: ClauseElement,
    is_server_default: bool = False,
    is_index: bool = False,
    **_options: Any,
) -> str:
    """An expression as the text that a revision has. Alembic writes no backslash before a colon, so
    that text() takes the next word for a parameter, and doubles percent signs for some drivers.
    """
    if is_index and not isinstance(expression, ColumnClause):
        expression = expression.self_group()
    sql = inline_sql(expression)
    return sql if is_index else as_text(sql)


def render_default(kind: str, item: object) -> str | Literal[False]:
    """A server default that is a string. Alembic removes quotation marks at its ends."""
    if kind == "server_default" and isinstance(item, DefaultClause) and isinstance(item.arg, str):
        return repr(item.arg)
    return False
