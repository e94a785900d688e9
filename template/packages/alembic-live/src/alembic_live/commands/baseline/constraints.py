"""What SQLAlchemy does not reflect of constraints: exclusion, and when a unique one is checked."""

from typing import Any

from sqlalchemy import CheckConstraint, Connection, MetaData, Table, UniqueConstraint, text

from alembic_live.postgres.schemas import schema_name

CONSTRAINTS = text(
    """
    SELECT n.nspname AS schema, t.relname AS table, k.conname AS name, k.condeferred AS deferred,
           k.condeferrable AS deferrable, k.contype = 'x' AS is_exclusion, m.amname AS method,
           pg_get_expr(i.indpred, i.indrelid) AS condition, ARRAY(
               SELECT ARRAY[pg_get_indexdef(k.conindid, place::int, true), o.oprname::text]
               FROM unnest(k.conexclop) WITH ORDINALITY AS all_operators(operator, place)
               JOIN pg_operator o ON o.oid = operator ORDER BY place) AS elements
    FROM pg_constraint k
    JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_index i ON i.indexrelid = k.conindid
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    WHERE k.contype = 'x' OR k.contype = 'u' AND k.condeferrable
    ORDER BY k.conname
    """
)


def add_constraint_details(metadata: MetaData, connection: Connection) -> None:
    """Complete the constraints of reflected tables."""
    tables = {(schema_name(table.schema), table.name): table for table in metadata.tables.values()}
    for row in connection.execute(CONSTRAINTS):
        if (table := tables.get((row.schema, row.table))) is not None:
            when = {"deferrable": True, "initially": "DEFERRED"} if row.deferred else {}
            when = when or ({"deferrable": True} if row.deferrable else {})
            if row.is_exclusion:
                _add_exclusion(table, row, when)
            else:
                _set_deferrable(table, row.name, when)


def _set_deferrable(table: Table, name: str, when: dict[str, Any]) -> None:
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint) and constraint.name == name:
            constraint.deferrable = when["deferrable"]
            constraint.initially = when.get("initially")


def _add_exclusion(table: Table, row: Any, when: dict[str, Any]) -> None:
    """Add a check that stands for it, because sqlacodegen refuses constraints that it does not know."""
    options = {"using": row.method, **when}
    stand_in = CheckConstraint(text("true"), name=row.name)
    stand_in.info["exclusion"] = (row.elements, row.condition, options)
    table.append_constraint(stand_in)
