"""Downgrades that restore exactly what was dropped.

Alembic restores a table, a constraint or an index as SQLAlchemy reflects it, which is not always all
of it. The server has the complete definition, and says whether Alembic's operation makes the same.
"""

import re
from collections.abc import Iterator
from copy import copy
from typing import Any

from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Constraint, TextClause, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import conv

from alembic_live.autogenerate.definitions_on_server import (
    CONSTRAINTS,
    INDEXES,
    LEFT_OUT,
    SHAPE,
    Detail,
    by_name,
    details,
)
from alembic_live.autogenerate.rendering import Comment, Line, sql_name
from alembic_live.autogenerate.zero_downtime import Concurrently
from alembic_live.postgres.connection import execute_verbatim
from alembic_live.sql.lexer import split_list

LOCK_WAIT = "3s"  # a comparison must not block other sessions for longer
PROBE = conv("restored_by_alembic_live")  # a complete name, which is rolled back


def restore_exactly(migration: MigrationContext, downgrade: ops.DowngradeOps) -> None:
    """Complete a downgrade with what the server knows of the dropped objects."""
    added = {
        str(item.constraint_name)
        for item in downgrade.ops
        if isinstance(item, ops.CreateForeignKeyOp)
    }
    downgrade.ops[:] = [
        each for item in downgrade.ops for each in _restored(migration, item, added)
    ]


def _restored(migration: MigrationContext, item: Any, added: set[str]) -> Iterator[Any]:
    plain = item.plain if isinstance(item, Concurrently) else item
    if isinstance(item, ops.ModifyTableOps):
        item.ops[:] = [each for part in item.ops for each in _restored(migration, part, added)]
        yield item
        return
    table = _OldTable(migration, plain)
    match plain:
        case ops.CreateTableOp():
            yield from table.restored_table(plain, added)
        case ops.AddColumnOp():
            yield item
            yield from table.lines("column", plain.column.name)
            yield from table.left_out(plain.column.name)
        case ops.CreateIndexOp():
            yield from table.restored_index(plain, item)
        case ops.AddConstraintOp():
            yield from table.restored_constraint(plain, item)
        case _:
            yield item


class _OldTable:
    """A table as it is in the database."""

    def __init__(self, migration: MigrationContext, item: Any) -> None:
        assert migration.connection is not None
        self.migration = migration
        self.connection: Connection = migration.connection
        is_key = isinstance(item, ops.CreateForeignKeyOp)
        self.schema = item.kw.get("source_schema") if is_key else getattr(item, "schema", None)
        self.name = item.source_table if is_key else getattr(item, "table_name", "")
        self.relation = sql_name(self.schema, self.name)
        self.values = {"relation": self.relation, "column": ""}
        self._details: list[Detail] | None = None

    def lines(self, kind: str, name: str) -> Iterator[Line]:
        """The lines that restore the details of a part of the table."""
        if self._details is None:
            prefix = f"{sql_name(self.schema)}." if self.schema else ""
            self._details = details(self.connection, prefix, self.relation)
        for each in self._details:
            if each.kind == kind and name in ("", each.name):
                yield Line.of_sql(each.statement)

    def left_out(self, column: str = "") -> Iterator[Comment]:
        """What the downgrade does not restore, because it belongs to the environment."""
        rows = self.connection.execute(LEFT_OUT, self.values | {"column": column}).scalars()
        if found := list(rows):
            of = f"{self.name}.{column}" if column else self.name
            yield Comment(f"The downgrade does not restore: {', '.join(found)} on {of}.")

    def restored_table(self, item: ops.CreateTableOp, added: set[str]) -> Iterator[Any]:
        """The operation that creates the table, and what it does not create. Foreign keys of a cycle
        are `added` later.
        """
        shape = self.connection.execute(SHAPE, self.values).first()
        if shape is None:  # it has another name before this revision
            yield item
            return
        if shape.partition_key:
            item.kw["postgresql_partition_by"] = shape.partition_key
        if shape.parents:
            item.kw["postgresql_inherits"] = tuple(shape.parents)
        rows = by_name(self.connection, CONSTRAINTS, self.relation)
        missing = {name: row for name, row in rows.items() if row.is_local and name not in added}
        kept: list[Any] = []
        for part in item.columns:
            row = rows.get(str(getattr(part, "name", None)))
            if isinstance(part, Constraint) and row is not None:
                if row.is_local and self._makes(_addition(part, row), row):
                    kept.append(part)
                    missing.pop(row.name, None)
            elif not isinstance(part, Column) or part.name not in shape.inherited:
                kept.append(part)
        item.columns = kept
        yield item
        yield from (Line.of_sql(statement) for statement in shape.partitions)
        yield from map(self._line, missing.values())
        for name in rows:
            yield from self.lines("index", name)
        for kind in ("column", "statistics", "table"):
            yield from self.lines(kind, "")
        yield from self.left_out()

    def restored_index(self, plain: ops.CreateIndexOp, item: Any) -> Iterator[Any]:
        """The operation that creates the index, and what it does not create."""
        row = by_name(self.connection, INDEXES, self.relation).get(str(plain.index_name))
        if row is not None:
            if row.tablespace:
                plain.kw["postgresql_tablespace"] = row.tablespace
            if not self._makes(plain, row):
                plain.kw.pop("postgresql_ops", None)
                plain.columns = [_verbatim(_keys(row.definition))]
                if row.predicate:
                    plain.kw["postgresql_where"] = _verbatim(row.predicate)
        yield item
        if row is not None:
            yield from self.lines("index", row.name)

    def restored_constraint(self, plain: Any, item: Any) -> Iterator[Any]:
        """The operation that adds the constraint, or SQL if that is more exact."""
        rows = by_name(self.connection, CONSTRAINTS, self.relation)
        row = rows.get(str(plain.constraint_name))
        if row is None:
            yield item
            return
        _complete(plain.kw, row)
        listed = _as_list(row.definition)
        if isinstance(plain, ops.CreateCheckConstraintOp) and listed and ":" not in listed:
            with_list = copy(plain)
            with_list.condition = _verbatim(listed)
            if self._made_by(with_list, row.name) == row.definition:
                plain.condition = with_list.condition
        yield item if self._makes(plain, row) else self._line(row)
        yield from self.lines("index", row.name)

    def _line(self, row: Any) -> Line:
        statement = f"ALTER TABLE {self.relation} ADD CONSTRAINT {sql_name(row.name)}"
        return Line.of_sql(f"{statement} {row.definition}")

    def _makes(self, item: Any, row: Any) -> bool:
        """Whether an operation makes what the server has, as exactly as the server's own SQL does."""
        made = self._made_by(item, row.name)
        wanted = _comparable(row.definition)
        return made is not None and made in (wanted, self._made_by(row, row.name))

    def _made_by(self, item: Any, name: str) -> str | None:
        """The definition that an operation or SQL makes. It runs in a savepoint: on the table itself
        if it does not look at the rows, else on an empty copy. None if it fails.
        """
        is_operation = isinstance(item, ops.MigrateOperation)
        is_index = isinstance(item, ops.CreateIndexOp) or hasattr(item, "method")
        needs_copy = is_index or not (
            isinstance(item, ops.CreateForeignKeyOp | ops.CreateCheckConstraintOp)
            or getattr(item, "kind", "") in ("f", "c")
        )
        relation = f"pg_temp.{sql_name(self.name)}" if needs_copy else self.relation
        name = name if needs_copy else PROBE
        savepoint = self.connection.begin_nested()
        try:
            self.connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
            if needs_copy:
                copied = f"{sql_name(self.name)} (LIKE {self.relation})"
                execute_verbatim(self.connection, f"CREATE TEMPORARY TABLE {copied}")
            if is_operation:
                Operations(self.migration).invoke(_probe(item, needs_copy))
            elif is_index:
                head, _, rest = item.definition.partition(" ON ")
                keys = rest.partition(" USING ")[2]
                execute_verbatim(self.connection, f"{head} ON {relation} USING {keys}")
            else:
                validity = "" if needs_copy or item.is_not_valid else " NOT VALID"
                execute_verbatim(
                    self.connection,
                    f"ALTER TABLE {relation} ADD CONSTRAINT {sql_name(name)} "
                    f"{item.definition}{validity}",
                )
            query = INDEXES if is_index else CONSTRAINTS
            definition = by_name(self.connection, query, relation)[name].definition
            if not needs_copy and not (not is_operation and item.is_not_valid):
                definition = definition.removesuffix(" NOT VALID")
            return _comparable(definition)
        except (SQLAlchemyError, KeyError):
            return None
        finally:
            savepoint.rollback()


def _probe(item: Any, needs_copy: bool) -> Any:
    """The operation for the copy, or under another name."""
    probe = copy(item)
    probe.kw = dict(item.kw)
    if needs_copy:
        probe.schema = "pg_temp"
    else:
        if isinstance(item, ops.CreateCheckConstraintOp):
            probe.kw.clear()  # reflected options are not those that it takes
        probe.constraint_name = PROBE
        probe.kw["postgresql_not_valid"] = True
    return probe


def _addition(constraint: Any, row: Any) -> Any:
    """The operation that adds a constraint of a table, which gets the properties of the server's."""
    properties: dict[str, Any] = {}
    _complete(properties, row)
    for name, value in properties.items():
        setattr(constraint, name, value)
    return ops.AddConstraintOp.from_constraint(constraint)


def _complete(properties: dict[str, Any], row: Any) -> None:
    """Set what SQLAlchemy does not reflect of a constraint."""
    if row.is_deferrable:
        properties["deferrable"] = True
    if row.is_deferred:
        properties["initially"] = "DEFERRED"
    if row.is_match_full:
        properties["match"] = "FULL"


LIST = re.compile(r"\(?(\w+)\)?(?:::text)? = ANY \(\(?ARRAY\[(.*?)\]\)?(?:::text\[\])?\)")


def _as_list(definition: str) -> str | None:
    """The condition of a check with the IN that Postgres prints as an array. It prints another array
    if it reads that again.
    """
    found = LIST.fullmatch(definition.removeprefix("CHECK (").removesuffix(")"))
    if found is None:
        return None
    values = re.sub(r"::character varying(::text)?|::text", "", found[2])
    return f"{found[1]} IN ({values})"


def _verbatim(sql: str) -> TextClause:
    """SQL in which a colon does not start a parameter."""
    return text(sql.replace(":", r"\:"))


def _comparable(definition: str) -> str:
    """The definition of an index or a constraint without the names before it."""
    head, using, rest = definition.partition(" USING ")
    return f"{head.split(' INDEX ')[0]}{using}{rest}" if head.startswith("CREATE ") else definition


def _keys(definition: str) -> str:
    """The columns and expressions of an index, with collations, operator classes and order."""
    _, keys, _ = split_list(definition)
    return ",".join(keys)
