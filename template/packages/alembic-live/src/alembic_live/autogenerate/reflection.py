"""What a comparison needs from the catalog and SQLAlchemy does not read, or reads table by table."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from alembic.autogenerate.api import AutogenContext
from sqlalchemy import text

from alembic_live.autogenerate.rendering import as_text
from alembic_live.internals.alembic import reflect_at_once

TableName = tuple[str | None, str]  # the schema is None for the default one, as in Alembic

# A SERIAL column has a default that takes numbers from a sequence that it owns (a), an IDENTITY
# consists of its sequence (i).
DETAILS = text(
    """
    WITH tables AS (
        SELECT c.oid, nullif(n.nspname, current_schema()) AS schema, c.relname AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p')
          AND n.nspname IN (SELECT json_array_elements_text(CAST(:schemas AS json)))
    )
    SELECT CASE d.deptype WHEN 'i' THEN 'identity' ELSE 'serial' END AS kind, t.schema,
           t.name AS table, a.attname AS name, row_to_json(n)::text AS detail
    FROM tables t
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
        AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
    JOIN pg_namespace m ON m.oid = c.relnamespace
    JOIN pg_sequence s ON s.seqrelid = c.oid
    CROSS JOIN LATERAL (
        SELECT nullif(m.nspname, current_schema()) AS schema, c.relname AS name,
               a.attidentity = 'a' AS always, seqincrement AS increment, seqmin AS minvalue,
               seqmax AS maxvalue, seqstart AS start, seqcache AS cache, seqcycle AS cycle
    ) n
    WHERE d.deptype = 'i' OR EXISTS (
        SELECT FROM pg_attrdef f JOIN pg_depend u ON u.objid = f.oid AND u.refobjid = c.oid
        WHERE f.adrelid = t.oid AND f.adnum = a.attnum
          AND u.classid = 'pg_attrdef'::regclass AND u.refclassid = 'pg_class'::regclass
    )
    UNION ALL
    SELECT 'exclude', t.schema, t.name, k.conname, pg_get_constraintdef(k.oid)
    FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'x'
    UNION ALL
    SELECT 'deferrable', t.schema, t.name, k.conname,
           CASE WHEN k.condeferred THEN 'DEFERRED' ELSE 'IMMEDIATE' END
    FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid
    WHERE k.contype = 'u' AND k.condeferrable
    UNION ALL
    SELECT 'match', t.schema, t.name, k.conname, 'FULL'
    FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid
    WHERE k.contype = 'f' AND k.confmatchtype = 'f'
    UNION ALL
    SELECT 'collations', t.schema, t.name, c.relname,
           json_agg(CASE WHEN k.is_other THEN k.used::regcollation::text END ORDER BY k.place)::text
    FROM tables t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
    CROSS JOIN LATERAL (
        SELECT x.used, x.place, x.used <> coalesce(a.attcollation, 100) AS is_other
        FROM unnest(i.indcollation, i.indkey) WITH ORDINALITY AS x(used, attnum, place)
        LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = x.attnum
        WHERE x.used <> 0
    ) k
    GROUP BY 2, 3, 4 HAVING bool_or(k.is_other)
    """
)


@dataclass(slots=True)
class Reflection:
    """What was read.

    Attributes:
        reflected: what Alembic compares, by its kind and by table.
        details: by their kind and by table: names and details.
        defaults: the server defaults, as Postgres prints them.
    """

    reflected: dict[str, dict[TableName, Any]]
    details: dict[str, dict[TableName, dict[str, Any]]]
    defaults: dict[tuple[str | None, str, str], str] = field(default_factory=dict)

    def of_table(self, kind: str, schema: str | None, table: str) -> dict[str, Any]:
        """The details of one kind that a table has."""
        return self.details.get(kind, {}).get((schema, table), {})

    def is_serial(self, schema: str | None, table: str, column: str) -> bool:
        """Whether a column is SERIAL."""
        return column in self.of_table("serial", schema, table)


def reflect(context: AutogenContext, schemas: Collection[str | None]) -> Reflection:
    """Read all tables of these schemas in few queries."""
    connection, dialect = context.connection, context.dialect
    assert connection is not None
    assert dialect is not None
    inspector = context.inspector
    tables = {}
    for schema in schemas:
        present = inspector.get_table_names(schema=schema)
        names = [
            name
            for name in present
            if context.run_name_filters(name, "table", {"schema_name": schema})
        ]
        tables[schema] = (names, present)
    reflected = reflect_at_once(inspector, tables)
    named = [schema or dialect.default_schema_name for schema in schemas]
    details: dict[str, dict[TableName, dict[str, Any]]] = {}
    for row in connection.execute(DETAILS, {"schemas": json.dumps(named)}):
        of_kind = details.setdefault(row.kind, {})
        of_kind.setdefault((row.schema, row.table), {})[row.name] = row.detail
    reflection = Reflection(reflected, details)
    _complete_indexes(reflection)
    return reflection


def _complete_indexes(reflection: Reflection) -> None:
    """Give the elements of indexes their collations and the operator classes of expressions.
    SQLAlchemy reads both apart, and Alembic loses them when it writes the index.
    """
    for (schema, table), indexes in reflection.reflected["indexes"].items():
        collations = reflection.of_table("collations", schema, table)
        for index in indexes:
            options = index.get("dialect_options", {})
            if where := options.get("postgresql_where"):
                options["postgresql_where"] = as_text(where)
            if "expressions" in index or index["name"] in collations:
                _complete(index, json.loads(collations.get(index["name"], "[]")))


def _complete(index: Any, collations: list[str | None]) -> None:
    elements = index.get("expressions", index["column_names"])
    operators = index.get("dialect_options", {}).get("postgresql_ops", {})
    sorting = index.get("column_sorting", {})
    columns, expressions = [], []
    for place, element in enumerate(elements):
        collation = collations[place] if place < len(collations) else None
        is_expression = index["column_names"][place] is None
        if not is_expression and collation is None:
            columns.append(element)
            expressions.append(element)
            continue
        sql = element if is_expression else f'"{element.replace(chr(34), chr(34) * 2)}"'
        parts = (sql, f"COLLATE {collation}" if collation else "", operators.pop(element, ""))
        columns.append(None)
        expressions.append(as_text(" ".join(filter(None, parts))))
        if element in sorting:
            sorting[expressions[-1]] = sorting.pop(element)
    index["column_names"], index["expressions"] = columns, expressions
