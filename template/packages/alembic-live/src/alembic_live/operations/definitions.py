"""The definitions of existing indexes and constraints, as Postgres prints them.

A repeated operation finds what an earlier run created. It may also find another object of the same
name. Only the server can compare definitions: it creates the wanted object on an empty copy of the
table, or beside the existing one, prints both, and rolls back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from alembic import op
from alembic.operations.ops import CreateIndexOp
from alembic.util import CommandError
from sqlalchemy import Index, MetaData, text
from sqlalchemy.exc import SQLAlchemyError

from alembic_live.operations.non_transactional import execute, first_row, with_retries
from alembic_live.sql.quoting import identifier

TEMPORARY = "pg_temp"  # the schema of this session's temporary tables
PROBE = "wanted_by_alembic_live"  # the name of a constraint that is rolled back

# `head || body` is the statement that Postgres prints, without the schema of the table and without
# the ONLY of a partitioned table.
INDEX_DEFINITION = text(
    """
    SELECT t.relname AS "table", n.nspname AS schema, i.indisvalid AS is_valid,
           concat('CREATE ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, 'INDEX ',
                  quote_ident(c.relname), ' ON ') AS head,
           substr(d.text, strpos(d.text, '.' || quote_ident(t.relname) || ' USING ') + 1) AS body,
           concat(' TABLESPACE ' || quote_ident(s.spcname),
                  ', which backs the constraint ' || pg_get_constraintdef(k.oid)) AS rest
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
    LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')
    CROSS JOIN pg_get_indexdef(c.oid) AS d(text)
    WHERE c.relname = CAST(CAST(:name AS text) AS name) AND c.relnamespace = coalesce(
        CASE WHEN :schema = 'pg_temp' THEN pg_my_temp_schema() END,
        to_regnamespace(quote_ident(:schema)),
        (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(quote_ident(:table))))
    """
)
CONSTRAINT_DEFINITION = text(
    """
    SELECT convalidated AS is_valid, contype = 'c' AS is_check,
           regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', '') AS definition
    FROM pg_constraint
    WHERE conname = CAST(CAST(:name AS text) AS name) AND conrelid = to_regclass(:table)
    """
)
# Temporary tables have their own default tablespace.
USE_DEFAULT_TABLESPACE = (
    "SELECT set_config('temp_tablespaces', current_setting('default_tablespace'), true)"
)
TEMPORARY_PRIVILEGE = text(
    """
    SELECT current_user, current_database(),
           has_database_privilege(current_database(), 'TEMPORARY') AS may_create
    """
)


class ExistingIndex(NamedTuple):
    """An index in the database."""

    table: str
    schema: str
    is_valid: bool
    head: str  # CREATE INDEX … ON
    body: str  # the table, without its schema, and the rest of the statement
    rest: str  # the tablespace, and the constraint that the index backs

    @property
    def definition(self) -> str:
        """The complete definition."""
        return self.head + self.body + self.rest


class ExistingConstraint(NamedTuple):
    """A constraint in the database."""

    is_valid: bool
    is_check: bool
    definition: str


def find_index(index_name: str, table_name: str, schema: str | None) -> ExistingIndex | None:
    """The index of that name in the schema of the table. It may belong to another table."""
    row = first_row(INDEX_DEFINITION, name=index_name, table=table_name, schema=schema)
    return ExistingIndex(**row._mapping) if row else None


def find_constraint(
    constraint_name: str, table_name: str, schema: str | None
) -> ExistingConstraint | None:
    """The constraint of that name on the table."""
    table = identifier(schema, table_name)
    row = first_row(CONSTRAINT_DEFINITION, name=constraint_name, table=table)
    return ExistingConstraint(**row._mapping) if row else None


def require_same_index(
    existing: ExistingIndex | ExistingConstraint,
    wanted: CreateIndexOp,
    add_constraint: Callable[[str], None] | None = None,
) -> None:
    """Check that an existing index has the definition that a revision wants.

    Args:
        existing: the index, or a constraint that has its name.
        wanted: the arguments of `op.create_index`.
        add_constraint: turns the index of a table into a constraint. For unique constraints only.

    Raises:
        CommandError: the definitions differ, or the role cannot create a temporary table.
    """
    name, table = str(wanted.index_name), wanted.table_name
    _require_temporary_privilege(name)

    def definition_of(create: Callable[[], object]) -> ExistingIndex:
        with _rolled_back():
            execute(USE_DEFAULT_TABLESPACE)
            original = identifier(wanted.schema, table)
            execute(f"CREATE TEMPORARY TABLE {identifier(table)} (LIKE {original})")
            create()
            if add_constraint:
                add_constraint(identifier(TEMPORARY, table))
            created = find_index(name, table, TEMPORARY)
        assert created is not None
        return created

    def reparsed(index: ExistingIndex) -> ExistingIndex:
        return definition_of(lambda: execute(f"{index.head}{TEMPORARY}.{index.body}"))

    def compare() -> None:
        created = definition_of(
            lambda: op.get_context().impl.create_index(_on_temporary_table(wanted))
        )
        # Postgres prints some expressions differently after it has parsed its own output.
        is_same = (
            isinstance(existing, ExistingIndex)
            and (existing.head, existing.rest) == (created.head, created.rest)
            and (existing.body == created.body or reparsed(existing).body == reparsed(created).body)
        )
        if not is_same:
            kind = "constraint" if add_constraint else "index"
            raise CommandError(_mismatch(table, f"{kind} {name}", existing, created))

    with_retries(compare)


def require_same_constraint(
    existing: ExistingConstraint,
    constraint_name: str,
    table_name: str,
    schema: str | None,
    add: Callable[[str], None],
) -> None:
    """Check that an existing constraint has the definition that a revision wants. The wanted one is
    created on the same table, because a foreign key of a temporary table can reference temporary
    tables only.

    Args:
        existing: the constraint.
        constraint_name: its name.
        table_name: the name of the table.
        schema: the schema of the table.
        add: adds the wanted constraint as NOT VALID, under the name that is its argument.

    Raises:
        CommandError: the definitions differ, or a lock was not granted.
    """
    table = identifier(schema, table_name)

    def definition_of(create: Callable[[], object]) -> ExistingConstraint:
        with _rolled_back():
            create()
            created = find_constraint(PROBE, table_name, schema)
        assert created is not None
        return created

    def reparsed(constraint: ExistingConstraint) -> ExistingConstraint:
        definition = f"{constraint.definition} NOT VALID"
        return definition_of(
            lambda: execute(f"ALTER TABLE {table} ADD CONSTRAINT {PROBE} {definition}")
        )

    def compare() -> None:
        created = definition_of(lambda: add(PROBE))
        are_checks = existing.is_check and created.is_check  # only checks have expressions
        if existing != created._replace(is_valid=existing.is_valid) and not (
            are_checks and reparsed(existing).definition == reparsed(created).definition
        ):
            raise CommandError(
                _mismatch(table_name, f"constraint {constraint_name}", existing, created)
            )

    with_retries(compare)


def _on_temporary_table(wanted: CreateIndexOp) -> Index:
    index = CreateIndexOp(
        wanted.index_name,
        wanted.table_name,
        wanted.columns,
        schema=TEMPORARY,
        unique=wanted.unique,
        **wanted.kw,
    ).to_index(op.get_context())
    assert index.table is not None
    if index.table.schema == TEMPORARY:
        return index
    # The columns belong to a Table that the revision defines.
    copies = index.table.to_metadata(MetaData(), schema=TEMPORARY).indexes
    return next(copy for copy in copies if copy.name == index.name)


def _mismatch(
    table_name: str,
    what: str,
    existing: ExistingIndex | ExistingConstraint,
    wanted: ExistingIndex | ExistingConstraint,
) -> str:
    return (
        f"Table {table_name} already has a different {what}: {existing.definition}. This revision "
        f"wants: {wanted.definition}. Correct the revision, choose another name, or drop the "
        "existing one in an earlier revision."
    )


def _require_temporary_privilege(name: str) -> None:
    row = first_row(TEMPORARY_PRIVILEGE)
    if row is not None and not row.may_create:
        raise CommandError(
            f"Index {name} already exists. Comparing it with the wanted index needs a temporary "
            f'table, and role "{row.current_user}" cannot create one. Run as the owner of the '
            f'database: GRANT TEMPORARY ON DATABASE "{row.current_database}" TO '
            f'"{row.current_user}";'
        )


@contextmanager
def _rolled_back() -> Iterator[None]:
    """A transaction inside an autocommit block that is always rolled back."""
    bind: Any = op.get_bind()
    bind.exec_driver_sql("BEGIN")
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):  # the connection may be lost
            bind.exec_driver_sql("ROLLBACK")
