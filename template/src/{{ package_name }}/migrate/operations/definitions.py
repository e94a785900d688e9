"""Indexes and constraints that are there already, in Postgres's own words.

An operation that can be repeated meets what an earlier run has made. It also meets what somebody
else has made under the same name. Only the server can tell the two apart: it makes what the
revision wants, on an empty copy of the table or beside the other one, prints both, and rolls back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from alembic import op
from alembic.operations.ops import CreateIndexOp
from alembic.util import CommandError
from sqlalchemy import Index, MetaData, text
from sqlalchemy.exc import SQLAlchemyError

from .outside import again, quoted, row_of, run

COPY = "pg_temp"  # the schema of the empty copy: each session has its own
BESIDE = "wanted_by_migrate_operations"  # the name of a constraint that is rolled back

# `make || body` is the statement that Postgres prints, without the schema of the table, and without
# the ONLY of a partitioned table.
INDEX = text(
    """
    SELECT t.relname AS "table", n.nspname AS schema, i.indisvalid AS is_valid,
           concat('CREATE ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, 'INDEX ',
                  quote_ident(c.relname), ' ON ') AS make,
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
CONSTRAINT = text(
    """
    SELECT convalidated AS is_valid, contype = 'c' AS is_check,
           regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', '') AS definition
    FROM pg_constraint
    WHERE conname = CAST(CAST(:name AS text) AS name) AND conrelid = to_regclass(:table)
    """
)
# Temporary tables have a default of their own.
SAME_TABLESPACE = (
    "SELECT set_config('temp_tablespaces', current_setting('default_tablespace'), true)"
)
PRIVILEGE = text(
    """
    SELECT current_user, current_database(),
           has_database_privilege(current_database(), 'TEMPORARY') AS may_copy
    """
)


class FoundIndex(NamedTuple):
    """An index in the database."""

    table: str
    schema: str
    is_valid: bool
    make: str  # CREATE INDEX … ON
    body: str  # the table, without its schema, and all that follows
    rest: str  # its tablespace, and the constraint that it backs

    @property
    def definition(self) -> str:
        """All that makes it what it is."""
        return self.make + self.body + self.rest


class FoundConstraint(NamedTuple):
    """A constraint in the database."""

    is_valid: bool
    is_check: bool
    definition: str


def index_of(index_name: str, table_name: str, schema: str | None) -> FoundIndex | None:
    """The index of that name in the schema of the table. It may belong to another table."""
    row = row_of(INDEX, name=index_name, table=table_name, schema=schema)
    return FoundIndex(**row._mapping) if row else None


def constraint_of(
    constraint_name: str, table_name: str, schema: str | None
) -> FoundConstraint | None:
    """The constraint of that name on the table."""
    row = row_of(CONSTRAINT, name=constraint_name, table=quoted(table_name, schema))
    return FoundConstraint(**row._mapping) if row else None


def require_same_index(
    found: FoundIndex | FoundConstraint,
    wanted: CreateIndexOp,
    constrain: Callable[[str], None] | None = None,
) -> None:
    """Compare an index that is there with the one that a revision wants.

    Args:
        found: the one that is there, or a constraint in its place.
        wanted: what `op.create_index` would make.
        constrain: makes the index a constraint of a table, if that is wanted too.

    Raises:
        CommandError: they differ; or the role may not make a temporary table to find out.
    """
    name, table = str(wanted.index_name), wanted.table_name
    _require_that_it_may_copy(name)

    def printed(make: Callable[[], object]) -> FoundIndex:
        with _rolled_back():
            run(SAME_TABLESPACE)
            original = quoted(table, wanted.schema)
            run(f"CREATE TEMPORARY TABLE {quoted(table)} (LIKE {original})")
            make()
            if constrain:
                constrain(quoted(table, COPY))
            made = index_of(name, table, COPY)
        assert made is not None
        return made

    def reprinted(printed_once: FoundIndex) -> FoundIndex:
        return printed(lambda: run(f"{printed_once.make}{COPY}.{printed_once.body}"))

    def compare() -> None:
        made = printed(lambda: op.get_context().impl.create_index(_on_the_copy(wanted)))
        # Some expressions Postgres prints otherwise when it has read them from its own print.
        is_same = (
            isinstance(found, FoundIndex)
            and (found.make, found.rest) == (made.make, made.rest)
            and (found.body == made.body or reprinted(found).body == reprinted(made).body)
        )
        if not is_same:
            kind = "constraint" if constrain else "index"
            raise CommandError(_another(table, f"{kind} {name}", found, made))

    again(compare)


def require_same_constraint(
    found: FoundConstraint,
    constraint_name: str,
    table_name: str,
    schema: str | None,
    add: Callable[[str], None],
) -> None:
    """Compare a constraint that is there with the one that a revision wants. The wanted one is made
    beside it, since a foreign key of a temporary table may refer to temporary tables only.

    Args:
        found: the one that is there.
        constraint_name: its name.
        table_name: of the table.
        schema: of the table.
        add: adds the wanted one, under the name that it is given, without a look at the rows.

    Raises:
        CommandError: they differ, or a lock was not granted.
    """
    table = quoted(table_name, schema)

    def printed(make: Callable[[], object]) -> FoundConstraint:
        with _rolled_back():
            make()
            made = constraint_of(BESIDE, table_name, schema)
        assert made is not None
        return made

    def reprinted(printed_once: FoundConstraint) -> FoundConstraint:
        definition = f"{printed_once.definition} NOT VALID"
        return printed(lambda: run(f"ALTER TABLE {table} ADD CONSTRAINT {BESIDE} {definition}"))

    def compare() -> None:
        made = printed(lambda: add(BESIDE))
        are_checks = found.is_check and made.is_check  # which have expressions
        if found != made._replace(is_valid=found.is_valid) and not (
            are_checks and reprinted(found).definition == reprinted(made).definition
        ):
            raise CommandError(_another(table_name, f"constraint {constraint_name}", found, made))

    again(compare)


def _on_the_copy(wanted: CreateIndexOp) -> Index:
    index = CreateIndexOp(
        wanted.index_name,
        wanted.table_name,
        wanted.columns,
        schema=COPY,
        unique=wanted.unique,
        **wanted.kw,
    ).to_index(op.get_context())
    assert index.table is not None
    if index.table.schema == COPY:
        return index
    # The columns are those of a Table that the revision has made itself.
    copies = index.table.to_metadata(MetaData(), schema=COPY).indexes
    return next(copy for copy in copies if copy.name == index.name)


def _another(
    table_name: str,
    what: str,
    found: FoundIndex | FoundConstraint,
    wanted: FoundIndex | FoundConstraint,
) -> str:
    return (
        f"Table {table_name} has another {what} already: {found.definition}. This revision wants: "
        f"{wanted.definition}. Correct the revision, or choose another name, or drop the one that "
        "is there in a revision before this one."
    )


def _require_that_it_may_copy(name: str) -> None:
    row = row_of(PRIVILEGE)
    if row is not None and not row.may_copy:
        raise CommandError(
            f"There is an index {name} already. To compare it with the wanted one takes a temporary "
            f'table, and role "{row.current_user}" may not make one. As the owner of the database: '
            f'GRANT TEMPORARY ON DATABASE "{row.current_database}" TO "{row.current_user}";'
        )


@contextmanager
def _rolled_back() -> Iterator[None]:
    """A transaction within an autocommit block, of which nothing stays."""
    bind: Any = op.get_bind()
    bind.exec_driver_sql("BEGIN")
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):  # there may be no connection any more
            bind.exec_driver_sql("ROLLBACK")
