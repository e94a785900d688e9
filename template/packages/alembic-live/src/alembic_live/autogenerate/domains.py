"""Domains and sequences of the models. Alembic creates neither."""

from collections.abc import Iterable, Iterator
from copy import copy
from itertools import takewhile
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import DOMAIN, CreateDomainType
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSequence

from alembic_live.autogenerate.column_types import named_types
from alembic_live.autogenerate.enum_dependents import dependents_of
from alembic_live.autogenerate.enums import CreateEnum, DropEnum, has_no_other_use
from alembic_live.autogenerate.pending import pending_of
from alembic_live.autogenerate.rendering import POSTGRESQL, Line, display_name, sql_name
from alembic_live.internals.sqlalchemy import sequences_of
from alembic_live.postgres.connection import execute_verbatim

# A domain with its definition, as CREATE DOMAIN has it.
DOMAINS = text(
    """
    SELECT t.oid, nullif(n.nspname, current_schema()) AS schema, t.typname AS name,
           concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
               CASE WHEN t.typcollation <> b.typcollation
                    THEN 'COLLATE ' || c.oid::regcollation END,
               'DEFAULT ' || t.typdefault, CASE WHEN t.typnotnull THEN 'NOT NULL' END,
               (SELECT string_agg(concat('CONSTRAINT ', quote_ident(conname), ' ',
                                         pg_get_constraintdef(oid)), ' ' ORDER BY conname)
                FROM pg_constraint WHERE contypid = t.oid AND contype = 'c')) AS definition,
           ARRAY[format_type(t.typbasetype, t.typtypmod), t.typcollation::text, t.typdefault,
                 t.typnotnull::text]
               || ARRAY(SELECT pg_get_constraintdef(oid) FROM pg_constraint
                        WHERE contypid = t.oid AND contype = 'c' ORDER BY 1) AS meaning,
           n.oid = pg_my_temp_schema() AS is_temporary
    FROM pg_type t
    JOIN pg_type b ON b.oid = t.typbasetype
    JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_collation c ON c.oid = t.typcollation
    WHERE t.typtype = 'd' AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = t.oid AND deptype = 'e'
    ) AND n.nspname <> 'information_schema'
    ORDER BY 1
    """
)
SEQUENCES = text(
    "SELECT nullif(n.nspname, current_schema()) AS schema, c.relname AS name"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S'"
)

CHANGED = (
    "its definition in the models differs, and ALTER DOMAIN in a revision changes that of the "
    "database"
)
CHANGES = ops.ModifyTableOps | ops.DropTableOp  # after one of these a domain may be unused
Name = tuple[str | None, str]  # schema and name


def setup(plugin: Plugin) -> None:
    """Compare domains and sequences after the enums, which domains may consist of."""
    plugin.add_autogenerate_comparator(_compare_definitions, "schema", "domains")
    plugin.add_autogenerate_comparator(
        _compare, "schema", "domains", priority=DispatchPriority.LAST
    )


def _compare(
    context: AutogenContext, upgrade: ops.UpgradeOps, schemas: Iterable[str | None]
) -> PriorityDispatchResult:
    assert context.connection is not None
    sequences = [*_missing_sequences(context, context.connection)]
    created, dropped = _domains(context, context.connection, upgrade, set(schemas))
    enums = [*takewhile(lambda item: isinstance(item, CreateEnum), upgrade.ops)]
    dropped_enums = [item for item in upgrade.ops if isinstance(item, DropEnum)]
    rest = [item for item in upgrade.ops if item not in enums and item not in dropped_enums]
    upgrade.ops[:] = [*sequences, *enums, *created, *rest, *dropped, *dropped_enums]
    return PriorityDispatchResult.CONTINUE


def _missing_sequences(context: AutogenContext, connection: Connection) -> Iterator[Line]:
    """The sequences of the models that the database does not have. Others are left alone: nothing
    tells whose they are.
    """
    wanted = {
        _name(context, sequence.schema, sequence.name): sequence
        for metadata in {table.metadata for table in context.table_key_to_table.values()}
        for sequence in sequences_of(metadata)
    }
    existing = {(row.schema, row.name) for row in connection.execute(SEQUENCES)} if wanted else ()
    for name, sequence in wanted.items():
        if name not in existing:
            create = str(CreateSequence(sequence).compile(dialect=POSTGRESQL))
            yield Line.of_sql(create, f"DROP SEQUENCE {sql_name(*name)}")


def _domains(
    context: AutogenContext,
    connection: Connection,
    upgrade: ops.UpgradeOps,
    schemas: set[str | None],
) -> tuple[list[Line], list[Line]]:
    """The lines that create missing domains, and those that drop what no column uses any longer."""
    wanted = _wanted(context)
    if not (wanted or any(isinstance(item, CHANGES) for item in upgrade.ops)):
        return [], []
    existing = {(row.schema, row.name): row for row in connection.execute(DOMAINS)}
    created = [
        Line.of_sql(_creation(domain), f"DROP DOMAIN {sql_name(*name)}")
        for name, domain in wanted.items()
        if name not in existing
    ]
    dropped = []
    for name, row in existing.items():
        if name in wanted or row.schema not in schemas:
            continue
        dependents = dependents_of(connection, row.oid)
        if dependents.columns and has_no_other_use(dependents, upgrade):
            create = f"CREATE DOMAIN {sql_name(*name)} AS {row.definition}"
            dropped.append(Line.of_sql(f"DROP DOMAIN {sql_name(*name)}", create))
    return created, dropped


def _wanted(context: AutogenContext) -> dict[Name, DOMAIN]:
    """The domains of the models."""
    wanted: dict[Name, DOMAIN] = {}
    for table in context.table_key_to_table.values():
        for column in table.columns:
            for type_ in named_types(column.type):
                if isinstance(type_, DOMAIN):
                    wanted.setdefault(_name(context, type_.schema, str(type_.name)), type_)
    return wanted


def _compare_definitions(
    context: AutogenContext, _upgrade: ops.UpgradeOps, _schemas: Iterable[str | None]
) -> PriorityDispatchResult:
    """Name the domains whose definitions differ."""
    connection = context.connection
    assert connection is not None
    if wanted := _wanted(context):
        meanings = {(row.schema, row.name): row.meaning for row in connection.execute(DOMAINS)}
        for name, domain in wanted.items():
            # With create_type=False the model names the type, and need not define it.
            is_defined = domain.create_type and name in meanings
            if is_defined and not _is_same(connection, domain, meanings[name]):
                pending_of(context).leave(f"domain {display_name(*name)}", CHANGED)
    return PriorityDispatchResult.CONTINUE


def _is_same(connection: Connection, domain: DOMAIN, meaning: list[str]) -> bool:
    """Whether a domain of the models is the one in the database. Postgres stores it as a temporary
    one, in a savepoint that is rolled back.
    """
    savepoint = connection.begin_nested()
    try:
        execute_verbatim(connection, _creation(domain, schema="pg_temp"))
        [stored] = [row for row in connection.execute(DOMAINS) if row.is_temporary]
    except DBAPIError:
        return False
    finally:
        savepoint.rollback()
    return bool(stored.meaning == meaning)


def _creation(domain: DOMAIN, schema: str | None = None) -> str:
    if schema:
        domain = copy(domain)
        domain.schema = schema
    statement: Any = CreateDomainType(domain)
    return str(statement.compile(dialect=POSTGRESQL))


def _name(context: AutogenContext, schema: str | None, name: str) -> Name:
    return None if schema == context.dialect.default_schema_name else schema, name
