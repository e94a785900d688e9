"""Types of columns: how a comparison reads them, and how a revision writes them. `type_changes`
converts the values.

A revision says what Postgres stores. A TypeDecorator is written as the type under it, a class of
your code as its SQL, so that old revisions keep their meaning when the code changes.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, TypeGuard

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    DefaultClause,
    Enum,
    Inspector,
    String,
    Table,
    TypeDecorator,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import DOMAIN, ENUM, UUID, ExcludeConstraint
from sqlalchemy.dialects.postgresql.types import PGUuid
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType, TypeEngine

from alembic_live import operations
from alembic_live.autogenerate.rendering import POSTGRESQL
from alembic_live.internals.alembic import rendered_exclusion, rendered_type
from alembic_live.internals.sqlalchemy import dialect_without_driver, on_postgres
from alembic_live.operations.types import SqlType
from alembic_live.postgres.connection import execute_verbatim
from alembic_live.postgres.schemas import schema_name
from alembic_live.sql.quoting import identifier, literal

Type = TypeEngine[Any]

WITHOUT_DRIVER = dialect_without_driver()

STRING = re.compile(r"^\s*(?P<escaped>E?)'(?P<value>(?:[^']|'')*)'\s*(?:::[^']*)?$")

SPELLING = text(
    "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
    " WHERE attrelid = to_regclass(:table) AND attname = :column"
)
OWN = text(
    "SELECT attnotnull AS is_not_null, atthasdef AS has_default FROM pg_attribute"
    " WHERE attrelid = to_regclass(:table) AND attname = :column"
)


def setup(plugin: Plugin) -> None:
    """Compare the types that Alembic's comparison does not know, and the defaults of enums."""
    first = DispatchPriority.FIRST
    plugin.add_autogenerate_comparator(_compare_type, "column", "types", priority=first)
    plugin.add_autogenerate_comparator(_compare_default, "column", "server_default", priority=first)


def stored_type(type_: Type) -> Type:
    """The type that Postgres stores, without decorators and variants."""
    type_ = on_postgres(type_)
    # SQLAlchemy's own decorators, such as Interval, become types of Postgres elsewhere.
    if isinstance(type_, TypeDecorator) and _is_of_a_project(type_):
        return stored_type(type_.load_dialect_impl(WITHOUT_DRIVER))
    # What `dialect.type_descriptor(Uuid())` returns, which no revision can name.
    return type_.adapt(UUID) if type(type_) is PGUuid else type_


def named_types(type_: Type) -> Iterator[Enum | DOMAIN]:
    """The enums and domains that a type consists of, the inner ones first."""
    type_ = stored_type(type_)
    if isinstance(type_, ARRAY):
        yield from named_types(type_.item_type)
    elif isinstance(type_, DOMAIN):
        yield from named_types(type_.data_type)
        yield type_
    elif is_enum(type_):
        yield type_


def existing_type(type_: Type) -> Type:
    """The same type without its creation: CREATE TABLE finds its enums and domains."""
    stored = stored_type(type_)
    if isinstance(stored, ARRAY):
        return ARRAY(existing_type(stored.item_type), dimensions=stored.dimensions)
    if is_enum(stored):
        return ENUM(*stored.enums, name=str(stored.name), schema=stored.schema, create_type=False)
    if isinstance(stored, DOMAIN):
        stored.create_type = False
    return type_


def is_enum(type_: Type) -> TypeGuard[Enum]:
    """Whether a stored type is a native enum."""
    return isinstance(type_, Enum) and type_.native_enum and bool(type_.name)


def sql_of(type_: Type) -> str:
    """A type in SQL."""
    return stored_type(type_).compile(dialect=POSTGRESQL)


# Reading


@event.listens_for(Table, "column_reflect")
def _correct_column(inspector: Inspector, table: Table, column: Any) -> None:
    """Give a type that SQLAlchemy does not know its name in Postgres, and also `name` and `"char"`,
    which it takes for a plain String. Tell a column that is NOT NULL or has a default from a domain
    that is or has.
    """
    bind, item = inspector.bind, getattr(column["type"], "item_type", column["type"])
    where = {"table": identifier(table.schema, table.name), "column": column["name"]}
    is_unknown = isinstance(item, NullType) or type(item) is String
    if is_unknown and isinstance(bind, Connection):
        spelling = bind.scalar(SPELLING, where)
        column["type"] = SqlType(spelling) if spelling else column["type"]
    elif (
        isinstance(item, DOMAIN)
        and (item.not_null or item.default is not None)
        and isinstance(bind, Connection)
    ):
        own = bind.execute(OWN, where).one()
        column["nullable"] = not own.is_not_null
        column["default"] = column["default"] if own.has_default else None


def _compare_type(
    context: AutogenContext,
    item: ops.AlterColumnOp,
    _schema: str | None,
    _table: str,
    _column: str,
    existing: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    old, new = stored_type(existing.type), stored_type(wanted.type)
    if isinstance(new, NullType) or not (is_special(old) or is_special(new)):
        return PriorityDispatchResult.CONTINUE
    assert context.connection is not None
    item.existing_type = existing.type
    if _is_same(context.connection, old, new):
        return PriorityDispatchResult.STOP
    item.modify_type = wanted.type
    defaults = (existing.server_default, wanted.server_default)
    # A default is an expression of the old type, and Postgres cannot convert it.
    if any(defaults) and all(each is None or is_plain(each) for each in defaults):
        item.existing_server_default, item.modify_server_default = defaults
    return PriorityDispatchResult.STOP


def is_special(type_: Type) -> bool:
    """Whether Alembic's comparison takes the type for what it is not."""
    return any(True for _ in named_types(type_)) or isinstance(type_, SqlType) or is_own(type_)


def _is_same(connection: Connection, old: Type, new: Type) -> bool:
    if isinstance(old, ARRAY) and isinstance(new, ARRAY):
        return _is_same(connection, stored_type(old.item_type), stored_type(new.item_type))
    if isinstance(old, Enum | DOMAIN) and isinstance(new, Enum | DOMAIN):
        if (is_enum(old) or isinstance(old, DOMAIN)) and (is_enum(new) or isinstance(new, DOMAIN)):
            return _identity(old) == _identity(new)
        return False
    spellings = [each.sql if isinstance(each, SqlType) else sql_of(each) for each in (old, new)]
    if spellings[0].lower() == spellings[1].lower():
        return True
    one, other = (_spelling(connection, each) for each in spellings)
    # The role may have no right to create temporary tables: then no difference is known.
    return one is None or one == other


def _identity(type_: Enum | DOMAIN) -> tuple[str, str]:
    return schema_name(type_.schema), str(type_.name)


def _spelling(connection: Connection, sql: str) -> str | None:
    """A type as the server writes it; None if the server does not know it."""
    savepoint = connection.begin_nested()
    try:
        execute_verbatim(connection, f"CREATE TEMPORARY TABLE probe (type {sql}) ON COMMIT DROP")
        where = {"table": "pg_temp.probe", "column": "type"}
        spelling: str | None = connection.scalar(SPELLING, where)
    except DBAPIError:
        return None
    finally:
        savepoint.rollback()
    return spelling


def _compare_default(
    _context: AutogenContext,
    item: ops.AlterColumnOp,
    _schema: str | None,
    _table: str,
    _column: str,
    existing: Column[Any],
    wanted: Column[Any],
) -> PriorityDispatchResult:
    """Compare the defaults of enums as text. The new one may be a value that the enum gets in the
    same revision, so the server cannot compare them.
    """
    types = (existing.type, wanted.type)
    if item.modify_type is not None and any(True for each in types for _ in named_types(each)):
        return PriorityDispatchResult.STOP  # both defaults are in the operation
    if not (is_enum(stored_type(wanted.type)) and is_plain(wanted.server_default)):
        return PriorityDispatchResult.CONTINUE
    old, new = (_string_in(each.server_default) for each in (existing, wanted))
    if old is None or new is None:
        return PriorityDispatchResult.CONTINUE
    item.existing_server_default = existing.server_default
    if old != new:
        item.modify_server_default = wanted.server_default
    return PriorityDispatchResult.STOP


def _string_in(default: Any) -> str | None:
    """The value of a default that is a string."""
    found = STRING.match(default_sql(default)) if is_plain(default) else None
    if found is None:
        return None
    value = found["value"].replace("''", "'")
    return value.replace("\\\\", "\\") if found["escaped"] else value


def default_sql(default: DefaultClause) -> str:
    """A default in SQL."""
    if isinstance(default.arg, str):
        return literal(re.sub("^'|'$", "", default.arg))  # Alembic writes it without them
    return str(default.arg.compile(dialect=POSTGRESQL, compile_kwargs={"literal_binds": True}))


def is_plain(default: Any) -> bool:
    """Whether a default is an expression: neither an identity nor computed, nor missing."""
    return isinstance(default, DefaultClause)


# Writing


def is_own(type_: Type) -> bool:
    """Whether the class of a stored type is not SQLAlchemy's."""
    return _is_of_a_project(stored_type(type_))


def _is_of_a_project(type_: Type) -> bool:
    return type(type_).__module__.partition(".")[0] != "sqlalchemy"


def render_item(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """What a revision has for a part of an operation; False leaves it to Alembic."""
    if kind == "type":
        return render_type(item, context)
    if isinstance(item, ExcludeConstraint) and (classes := _operator_classes(item, context)):
        return f"{rendered_exclusion(context, item)[:-1]}, ops={classes!r})"
    return False


def _operator_classes(item: ExcludeConstraint, context: AutogenContext) -> dict[str, str]:
    """The `ops` of an exclusion constraint. Alembic writes a copy, which does not have them."""
    model = context.table_key_to_table.get(item.table.key)
    for each in model.constraints if model is not None else ():
        if isinstance(each, ExcludeConstraint) and each.name == item.name:
            return dict(each.ops)
    return {}


def render_type(type_: Type, context: AutogenContext) -> str | Literal[False]:
    """A type as a revision writes it; False leaves it to Alembic."""
    stored = stored_type(type_)
    match stored:
        case ARRAY():
            return _render_array(stored, context)
        case Enum() if is_enum(stored):
            arguments = [repr(str(label)) for label in stored.enums]
            return _render_named(
                "ENUM", [*arguments, f"name={str(stored.name)!r}"], stored, context
            )
        case DOMAIN():
            return _render_named("DOMAIN", _domain_arguments(stored, context), stored, context)
        case SqlType():
            pass
        case _ if not _is_of_a_project(stored):
            return False if stored is type_ else rendered_type(context, stored)
    context.imports.add(f"from {operations.__name__} import {SqlType.__name__}")
    return f"{SqlType.__name__}({sql_of(stored)!r})"


def _render_array(type_: ARRAY[Any], context: AutogenContext) -> str:
    arguments = [rendered_type(context, type_.item_type)]
    if type_.dimensions is not None:
        arguments.append(f"dimensions={type_.dimensions}")
    return f"sa.ARRAY({', '.join(arguments)})"


def _render_named(
    kind: str, arguments: list[str], type_: Enum | DOMAIN, context: AutogenContext
) -> str:
    """An enum or a domain, which another operation creates."""
    context.imports.add("from sqlalchemy.dialects import postgresql")
    if type_.schema:
        arguments.append(f"schema={str(type_.schema)!r}")
    return f"postgresql.{kind}({', '.join([*arguments, 'create_type=False'])})"


def _domain_arguments(type_: DOMAIN, context: AutogenContext) -> list[str]:
    return [repr(str(type_.name)), rendered_type(context, type_.data_type)]
