"""The indexes, constraints and sequences of tables, as the server knows them, and as it would know
those of the models: it creates one on an empty copy of the table, and rolls back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Connection,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import AddConstraint, CreateIndex

from alembic_live.autogenerate.rendering import sql_name
from alembic_live.names import shorten_names
from alembic_live.postgres.connection import execute_verbatim

CONSTRAINTS = "pufcx"  # as in pg_constraint.contype; besides, "i" is an index and "s" a sequence

# Everything in the database that has such a name. The definition is without the name, the schema
# and the name of the table.
PARTS = text(
    """
    SELECT k.contype::text AS kind, k.oid::bigint AS oid, t.oid::bigint AS table_oid,
           n.nspname::text AS schema, t.relname::text AS table_name, k.conname::text AS name,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(number, place)
                 JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = u.number
                 ORDER BY u.place) AS columns,
           CASE WHEN k.contype = 'f' THEN concat(k.confrelid, ARRAY(
                    SELECT a.attname FROM unnest(k.confkey) WITH ORDINALITY u(number, place)
                    JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number
                    ORDER BY u.place))
                ELSE regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '')
           END AS definition
    FROM pg_constraint k
    JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE k.contype::text = ANY (CAST(:kinds AS text[])) AND k.conparentid = 0
      AND t.relkind IN ('r', 'p') AND (NOT :is_temporary OR n.oid = pg_my_temp_schema())
      AND n.nspname !~ '^(pg_catalog|pg_toast|information_schema)'
    UNION ALL
    SELECT 'i', c.oid::bigint, t.oid::bigint, n.nspname::text, t.relname::text, c.relname::text,
           ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(number, place)
                 JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = u.number
                 ORDER BY u.place),
           concat(i.indisunique, substr(d.definition,
               strpos(d.definition, '.' || quote_ident(t.relname) || ' USING ')
               + length(quote_ident(t.relname)) + 1))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    CROSS JOIN pg_get_indexdef(c.oid) AS d(definition)
    WHERE NOT EXISTS (SELECT FROM pg_constraint k
                      WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
      AND NOT c.relispartition AND (NOT :is_temporary OR n.oid = pg_my_temp_schema())
      AND n.nspname !~ '^(pg_catalog|pg_toast|information_schema)'
    UNION ALL
    SELECT 's', c.oid::bigint, t.oid::bigint, n.nspname::text, t.relname::text, c.relname::text,
           ARRAY[a.attname::text], ''
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
      AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    JOIN pg_class t ON t.oid = d.refobjid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE c.relkind = 'S' AND (NOT :is_temporary OR n.oid = pg_my_temp_schema())
    ORDER BY oid
    """
)


class TablePart(NamedTuple):
    """An index, a constraint or a sequence of a table in the database."""

    kind: str
    oid: int
    table_oid: int
    schema: str
    table_name: str
    name: str
    columns: tuple[str, ...]
    definition: str


def parts_of_tables(connection: Connection, *, is_temporary: bool = False) -> dict[int, TablePart]:
    """All parts of all tables, or of this session's temporary tables, by their oids."""
    values = {"kinds": list(CONSTRAINTS), "is_temporary": is_temporary}
    rows = connection.execute(PARTS, values)
    return {
        row.oid: TablePart(**(dict(row._mapping) | {"columns": tuple(row.columns)})) for row in rows
    }


def kind_in_models(item: Any) -> str:
    """The kind of an index or a constraint of the models, as in `TablePart`."""
    match item:
        case PrimaryKeyConstraint():
            return "p"
        case UniqueConstraint():
            return "u"
        case ForeignKeyConstraint():
            return "f"
        case CheckConstraint():
            return "c"
        case Index():
            return "i"
    return "x"


def is_same(connection: Connection, table: Table, item: Any, part: TablePart) -> bool:
    """Whether an index or a constraint of the models has the definition of one in the database.
    The names do not count.
    """
    if kind_in_models(item) != part.kind:
        return False
    if part.kind == "p":
        return True
    if part.kind == "f":
        return _references(connection, item) == (part.columns, part.definition)
    return _definition(connection, table, item) == part.definition


def default_name(connection: Connection, part: TablePart) -> str | None:
    """The name that Postgres chooses for such a part of the table if nobody names it."""
    columns = list(map(sql_name, part.columns))
    listed = ", ".join(columns)
    table = sql_name(part.table_name)
    constraint = {
        "p": f"PRIMARY KEY ({listed})",
        "u": f"UNIQUE ({listed})",
        "f": f"UNIQUE ({listed}), FOREIGN KEY ({listed}) REFERENCES {table} ({listed})",
        "c": f"CHECK (ROW({listed}) IS NOT NULL)",
        "x": f"EXCLUDE USING btree ({', '.join(f'{column} WITH =' for column in columns)})",
    }.get(part.kind)
    if not columns:  # of an expression
        return None
    type_ = "serial" if part.kind == "s" else "int"
    definitions = [f"{column} {type_}" for column in columns] + [constraint] * bool(constraint)
    with _temporary_table(connection, f"{table} ({', '.join(map(str, definitions))})"):
        if part.kind == "i":
            execute_verbatim(connection, f"CREATE INDEX ON pg_temp.{table} ({listed})")
        created = parts_of_tables(connection, is_temporary=True).values()
        return next(each.name for each in created if each.kind == part.kind)
    return None


def _references(connection: Connection, key: ForeignKeyConstraint) -> tuple[tuple[str, ...], str]:
    referred = key.referred_table
    name = sql_name(referred.schema or connection.dialect.default_schema_name, referred.name)
    names = [element.column.name for element in key.elements]
    query = text("SELECT concat(to_regclass(:name)::oid, CAST(:names AS text[]))")
    definition = connection.scalar(query, {"name": name, "names": names})
    return tuple(element.parent.name for element in key.elements), str(definition)


def _definition(connection: Connection, table: Table, item: Any) -> str | None:
    """None if it cannot be created, because the copy has no new columns."""
    convention = table.metadata.naming_convention
    copy = table.to_metadata(MetaData(naming_convention=convention), schema="pg_temp")
    shorten_names(copy.metadata)
    items: list[Any] = [*copy.constraints, *copy.indexes]
    own = next(each for each in items if each.name == item.name)
    original = sql_name(table.schema, table.name)
    with _temporary_table(connection, f"{sql_name(table.name)} (LIKE {original})"):
        connection.execute(CreateIndex(own) if isinstance(own, Index) else AddConstraint(own))
        created = parts_of_tables(connection, is_temporary=True).values()
        return next(each.definition for each in created if each.name == item.name)
    return None


@contextmanager
def _temporary_table(connection: Connection, definition: str) -> Iterator[None]:
    """A table that exists in the block. The block ends at an error of the server."""
    savepoint = connection.begin_nested()
    try:
        execute_verbatim(connection, f"CREATE TEMPORARY TABLE {definition} ON COMMIT DROP")
        yield
    except DBAPIError:
        pass
    finally:
        savepoint.rollback()
