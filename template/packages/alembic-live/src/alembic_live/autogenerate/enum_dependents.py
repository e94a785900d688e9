"""What uses an enum. Postgres cannot remove a value, so the type is recreated, and all that uses it
has to let go of the old type.
"""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from alembic_live.autogenerate.rendering import display_name, sql_name
from alembic_live.sql.quoting import literal

# Columns of the type, or of arrays of it. A partition and a child table follow their parent.
COLUMNS = text(
    """
    SELECT nullif(n.nspname, current_schema()) AS schema, c.relname AS table, a.attname AS column,
           a.atttypid <> t.oid AS is_array, pg_get_expr(d.adbin, d.adrelid) AS default,
           a.attrelid AS relation, a.attnum AS number,
           a.attgenerated <> '' AS is_generated,
           EXISTS (SELECT FROM pg_partitioned_table p
                   WHERE p.partrelid = c.oid AND a.attnum = ANY (p.partattrs)) AS is_key
    FROM pg_type t
    JOIN pg_attribute a ON a.atttypid IN (t.oid, t.typarray)
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE t.oid = :oid AND c.relkind IN ('r', 'p') AND NOT a.attisdropped AND a.attinhcount = 0
    ORDER BY 1, 2, 3
    """
)
# All that depends on the type or on one of its columns, except those columns.
DEPENDENTS = text(
    """
    WITH types AS (
        SELECT unnest(ARRAY[oid, typarray]) AS oid FROM pg_type WHERE oid = :oid
    ), columns AS (
        SELECT attrelid, attnum FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE atttypid IN (SELECT oid FROM types) AND NOT attisdropped AND relkind IN ('r', 'p')
    ), once AS (
        SELECT classid, objid, objsubid, bool_or(refclassid = 'pg_type'::regclass) AS uses_type
        FROM pg_depend
        WHERE refclassid = 'pg_type'::regclass AND refobjid IN (SELECT oid FROM types)
              AND NOT (classid = 'pg_type'::regclass AND objid IN (SELECT oid FROM types))
              AND NOT (classid = 'pg_constraint'::regclass AND objid IN  -- of the type, a domain
                  (SELECT oid FROM pg_constraint WHERE contypid IN (SELECT oid FROM types)))
           OR refclassid = 'pg_class'::regclass AND deptype <> 'i'
              AND (refobjid, refobjsubid) IN (SELECT attrelid, attnum FROM columns)
        GROUP BY 1, 2, 3
    )
    SELECT o.classid::regclass::text AS catalog,
           pg_describe_object(o.classid, o.objid, o.objsubid) AS description,
           coalesce(i.relkind, x.relkind)::text AS relkind,
           k.contype::text AS contype,
           coalesce(k.conname, i.relname) AS name,
           nullif(n.nspname, current_schema()) AS schema,
           concat(quote_ident(n.nspname), '.', quote_ident(r.relname)) AS full_table,
           o.uses_type,
           r.relname AS table,
           a.attname AS column,
           coalesce(a.attgenerated, '') <> '' AS is_generated,
           (a.attrelid, a.attnum) IN (SELECT attrelid, attnum FROM columns) AS is_column,
           CASE WHEN k.oid IS NOT NULL THEN pg_get_constraintdef(k.oid)
                WHEN x.oid IS NOT NULL THEN pg_get_indexdef(x.oid)
                WHEN d.oid IS NOT NULL THEN pg_get_expr(d.adbin, d.adrelid) END AS definition,
           obj_description(o.objid, o.classid::regclass::text) AS comment,
           coalesce(k.coninhcount > 0 OR k.conparentid <> 0, x.relispartition, false)
               AS is_inherited,
           coalesce(v.indexprs IS NOT NULL OR v.indpred IS NOT NULL, false) AS has_expression,
           EXISTS (SELECT FROM pg_constraint b WHERE b.conindid = o.objid
                   AND o.classid = 'pg_class'::regclass AND b.contype IN ('p', 'u', 'x')) AS backs
    FROM once o
    LEFT JOIN pg_constraint k ON o.classid = 'pg_constraint'::regclass AND k.oid = o.objid
    LEFT JOIN pg_class i ON o.classid = 'pg_class'::regclass AND i.oid = o.objid
    LEFT JOIN pg_class x ON x.oid = i.oid AND x.relkind IN ('i', 'I')
    LEFT JOIN pg_index v ON v.indexrelid = x.oid
    LEFT JOIN pg_attrdef d ON o.classid = 'pg_attrdef'::regclass AND d.oid = o.objid
    LEFT JOIN pg_class r ON r.oid = coalesce(nullif(k.conrelid, 0), v.indrelid, d.adrelid,
        CASE WHEN i.relkind IN ('r', 'p') THEN i.oid END)
    LEFT JOIN pg_namespace n ON n.oid = r.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum =
        coalesce(d.adnum, CASE WHEN i.relkind IN ('r', 'p') THEN o.objsubid END)
    ORDER BY 2
    """
)

# What a new type of the same name gets too. Without an ACL, PUBLIC may use a type.
PROPERTIES = text(
    """
    SELECT obj_description(oid, 'pg_type') AS comment,
           CASE WHEN typacl IS NOT NULL THEN ARRAY(
               SELECT CASE p.grantee WHEN 0 THEN 'PUBLIC'
                      ELSE quote_ident(pg_get_userbyid(p.grantee)) END
               FROM aclexplode(typacl) p WHERE p.grantee <> typowner ORDER BY 1) END AS users
    FROM pg_type WHERE oid = :oid
    """
)

Table = tuple[str | None, str]  # schema and name


class EnumColumn(NamedTuple):
    """A column whose values or array elements are of the enum."""

    schema: str | None
    table: str
    column: str
    is_array: bool
    default: str | None

    @property
    def table_key(self) -> Table:
        """Its table."""
        return self.schema, self.table


class Rebuilt(NamedTuple):
    """An object that is dropped and created again."""

    table: Table
    name: str
    drop: str
    drop_rule: str  # what `db lint` finds in the drop
    create: str
    create_rules: str  # what it finds in the creation
    comment: list[str]  # the SQL that comments on it, or nothing


class OtherDefault(NamedTuple):
    """The default of a column of another type whose expression uses the enum."""

    table_key: Table
    column: str
    default: str


@dataclass
class Dependents:
    """What uses an enum.

    Attributes:
        columns: its columns.
        rebuilt: indexes and constraints whose expressions use it.
        defaults: defaults of columns of other types.
        others: descriptions of what cannot be rebuilt, each with its table, if it is part of one.
        comment: its comment.
        users: the roles in SQL that may use it besides its owner. None if it has no privileges.
    """

    columns: list[EnumColumn] = field(default_factory=list)
    rebuilt: list[Rebuilt] = field(default_factory=list)
    defaults: list[OtherDefault] = field(default_factory=list)
    others: list[tuple[Table | None, str]] = field(default_factory=list)
    comment: str | None = None
    users: list[str] | None = None


def dependents_of(connection: Connection, oid: int) -> Dependents:
    """All that uses an enum.

    Args:
        connection: a connection to the database.
        oid: the enum.
    """
    properties = connection.execute(PROPERTIES, {"oid": oid}).one()
    found = Dependents(comment=properties.comment, users=properties.users)
    for row in connection.execute(COLUMNS, {"oid": oid}):
        name = display_name(row.schema, row.table, row.column)
        if row.is_key:
            found.others.append(((row.schema, row.table), f"partition key {name}"))
        elif row.is_generated:
            found.others.append(((row.schema, row.table), f"generated column {name}"))
        found.columns.append(
            EnumColumn(row.schema, row.table, row.column, row.is_array, row.default)
        )
    for row in connection.execute(DEPENDENTS, {"oid": oid}):
        _sort(found, row)
    return found


def _sort(found: Dependents, row: Any) -> None:
    """Put a row of DEPENDENTS where it belongs."""
    table: Table = (row.schema, row.table)
    if row.is_inherited:
        return
    if row.catalog == "pg_constraint" and row.table:
        if row.contype in "cfx" or row.has_expression:
            found.rebuilt.append(_constraint(row))
    elif row.relkind in ("i", "I"):
        if row.has_expression and not row.backs:
            found.rebuilt.append(_index(row))
    elif row.catalog == "pg_attrdef" and row.is_generated:
        name = display_name(row.schema, row.table, row.column)
        if (table, f"generated column {name}") not in found.others:
            found.others.append((table, f"generated column {name}"))
    elif row.catalog == "pg_attrdef":
        if not row.is_column:
            found.defaults.append(OtherDefault(table, row.column, row.definition))
    elif row.relkind not in ("r", "p", "S") and (
        row.uses_type or row.catalog != "pg_statistic_ext"
    ):
        other = (None, _description(row.description))
        if other not in found.others:
            found.others.append(other)


def _description(text: str) -> str:
    """`view small` instead of `rule _RETURN on view small` or `column color of view small`."""
    return re.sub(r"^rule _RETURN on |^column .* of (?=\S*\s?view |composite type )", "", text)


def _constraint(row: Any) -> Rebuilt:
    table, name = sql_name(row.schema, row.table), sql_name(row.name)
    create = f"ALTER TABLE {table} ADD CONSTRAINT {name} {row.definition}"
    return Rebuilt(
        (row.schema, row.table),
        row.name,
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
        "ban-drop-constraint",
        create,
        "constraint-missing-not-valid, adding-foreign-key-constraint",
        _comment(f"CONSTRAINT {name} ON {table}", row.comment),
    )


def _index(row: Any) -> Rebuilt:
    # Postgres always names the schema of the table. A revision names it only if it must.
    place = re.compile(rf" ON (ONLY )?{re.escape(row.full_table)} USING ")
    table, name = sql_name(row.schema, row.table), sql_name(row.schema, row.name)
    create = place.sub(lambda _: f" ON {table} USING ", row.definition, count=1)
    return Rebuilt(
        (row.schema, row.table),
        row.name,
        f"DROP INDEX {name}",
        "require-concurrent-index-deletion",
        create,
        "require-concurrent-index-creation",
        _comment(f"INDEX {name}", row.comment),
    )


def _comment(what: str, comment: str | None) -> list[str]:
    return [f"COMMENT ON {what} IS {literal(comment)}"] if comment else []
