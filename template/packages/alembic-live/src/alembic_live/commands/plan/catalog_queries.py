"""Queries that read the catalog of a database for a plan.

They wait for no lock. If another session holds an ACCESS EXCLUSIVE lock on a table, the size is the
one that the last VACUUM or ANALYZE recorded.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ARRAY, Connection, Row, Text, bindparam, text
from sqlalchemy.exc import DBAPIError

from alembic_live.commands.plan.catalog import Catalog, ForeignKey, Table
from alembic_live.commands.plan.publications import read_publications
from alembic_live.postgres.explanations import sqlstate
from alembic_live.sql.statements import Name

LOCK_WAIT = "1s"  # for a lock that is taken between the query of pg_locks and the measurement
LOCK_NOT_AVAILABLE = "55P03"

# The tables with these names, and those that reference them, directly or not.
_REACHED = """
WITH RECURSIVE reached(oid) AS (
    SELECT c.oid FROM pg_class c WHERE c.relkind IN ('r', 'p', 'm') AND c.relname = ANY(:names)
    UNION
    SELECT k.conrelid FROM pg_constraint k JOIN reached ON k.confrelid = reached.oid
    WHERE k.contype = 'f'
)"""

# The size of a partitioned table is that of its partitions.
_TABLES = (
    _REACHED
    + """, part(top, oid) AS (
    SELECT oid, oid FROM (
        SELECT oid FROM reached
        UNION
        SELECT k.confrelid FROM pg_constraint k JOIN reached ON k.conrelid = reached.oid
        WHERE k.contype = 'f') top
    UNION
    SELECT part.top, i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
), measured AS (
    SELECT part.top, c.oid, c.relkind, c.reltuples, {bytes} AS bytes, {is_empty} AS is_empty
    FROM part JOIN pg_class c USING (oid)
)
SELECT n.nspname AS schema, c.relname AS name, pg_table_is_visible(c.oid) AS is_visible,
    CASE WHEN bool_and(m.bytes IS NOT NULL) THEN sum(m.bytes)::bigint END AS bytes,
    CASE WHEN bool_and(m.is_empty OR m.reltuples >= 0 OR pg_stat_get_live_tuples(m.oid) > 0)
        THEN sum(CASE WHEN m.is_empty THEN 0
            ELSE greatest(m.reltuples, pg_stat_get_live_tuples(m.oid), 0) END)::bigint END AS rows
FROM measured m JOIN pg_class c ON c.oid = m.top JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg!_%' ESCAPE '!' AND n.nspname <> 'information_schema'
GROUP BY n.nspname, c.relname, c.oid
"""
)

_RECORDED = """(
    SELECT nullif(sum(r.relpages), 0) * current_setting('block_size')::bigint FROM pg_class r
    WHERE r.oid IN (c.oid, c.reltoastrelid)
        OR r.oid IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = c.oid))"""

_IS_LOCKED = """EXISTS (
    SELECT FROM pg_locks l WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.relation IN (c.oid, c.reltoastrelid)
            OR l.relation IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = c.oid)))"""

_MEASURED = f"CASE WHEN {_IS_LOCKED} THEN {_RECORDED} ELSE pg_total_relation_size(c.oid) END"
_IS_EMPTY = f"CASE WHEN {_IS_LOCKED} THEN c.relkind = 'p' ELSE pg_relation_size(c.oid) = 0 END"

_COLUMNS = """
SELECT n.nspname AS schema, c.relname AS name, a.attname AS column,
    format_type(a.atttypid, a.atttypmod) AS type
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = ANY(:names) AND a.attnum > 0 AND NOT a.attisdropped
"""

_IDENTITIES = """
SELECT n.nspname AS schema, c.relname AS name, k.conname AS primary_key,
    CASE c.relreplident WHEN 'f' THEN true WHEN 'n' THEN false WHEN 'd' THEN k.oid IS NOT NULL
        ELSE EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident)
    END AS has_identity
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
WHERE c.relname = ANY(:names) AND c.relkind IN ('r', 'p')
"""

# Walsenders of logical replication, and of a backup, replay nothing.
_STANDBYS = """
SELECT count(*) FROM pg_stat_replication r
WHERE r.state IS DISTINCT FROM 'backup' AND NOT EXISTS (
    SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
"""

_KEYS = (
    _REACHED
    + """
SELECT k.conname AS name, n.nspname AS schema, t.relname AS "table", m.nspname AS referred_schema,
    r.relname AS referred,
    ARRAY(SELECT a.attname::text FROM pg_attribute a
          WHERE a.attrelid = t.oid AND a.attnum = ANY(k.conkey)) AS columns
FROM pg_constraint k
JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace m ON m.oid = r.relnamespace
WHERE k.contype = 'f' AND (
    t.oid IN (SELECT oid FROM reached) OR r.oid IN (SELECT oid FROM reached))
"""
)

_INDEXES = """
SELECT n.nspname AS schema, c.relname AS name, m.nspname AS table_schema, t.relname AS "table"
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace m ON m.oid = t.relnamespace
WHERE c.relname = ANY(:names)
"""

_ENUMS = """
SELECT n.nspname AS schema, t.typname AS name,
    ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid) AS labels
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'e' AND t.typname = ANY(:names)
"""

_DOMAINS = """
SELECT t.typname AS name FROM pg_type t
WHERE t.typtype = 'd' AND t.typname = ANY(:names)
    AND (t.typnotnull OR EXISTS (SELECT FROM pg_constraint k WHERE k.contypid = t.oid))
"""

_FUNCTIONS = """
SELECT p.proname AS name, bool_or(p.provolatile = 'v') AS is_volatile
FROM pg_proc p WHERE p.proname = ANY(:names) GROUP BY p.proname
"""


def read_catalog(connection: Connection, names: Iterable[str]) -> Catalog:
    """The objects with these names, in a read-only transaction.

    Args:
        connection: a connection that has executed nothing in its transaction.
        names: the names of tables, indexes, types and functions. The tables of the indexes are
            read too.
    """
    words = sorted(set(names))
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
    schema = connection.exec_driver_sql("SELECT current_schema()").scalar()
    catalog = Catalog(is_known=True, default_schema=schema or "public")
    for row in _rows(connection, _INDEXES, words):
        catalog.indexes[Name(row.schema, row.name)] = Name(row.table_schema, row.table)
    words = sorted({*words, *(table.name for table in catalog.indexes.values())})
    for row in _measured(connection, words):
        name = Name(row.schema, row.name)
        catalog.tables[name] = Table(row.bytes, row.rows)
        if row.is_visible:
            catalog.visible[row.name] = row.schema
    for row in _rows(connection, _COLUMNS, words):
        if table := catalog.tables.get(Name(row.schema, row.name)):
            table.columns[row.column] = row.type
    for row in _rows(connection, _IDENTITIES, words):
        if table := catalog.tables.get(Name(row.schema, row.name)):
            table.primary_key, table.has_identity = row.primary_key, row.has_identity
    catalog.publications = read_publications(connection)
    catalog.standbys = connection.exec_driver_sql(_STANDBYS).scalar_one()
    for row in _rows(connection, _KEYS, words):
        catalog.keys.append(
            ForeignKey(
                row.name,
                Name(row.schema, row.table),
                tuple(row.columns),
                Name(row.referred_schema, row.referred),
            )
        )
    for row in _rows(connection, _ENUMS, words):
        catalog.enums[Name(row.schema, row.name)] = list(row.labels)
    catalog.domains = {row.name for row in _rows(connection, _DOMAINS, words)}
    catalog.functions = {row.name: row.is_volatile for row in _rows(connection, _FUNCTIONS, words)}
    return catalog


def _measured(connection: Connection, names: list[str]) -> list[Row[Any]]:
    savepoint = connection.begin_nested()
    try:
        return _rows(connection, _TABLES.format(bytes=_MEASURED, is_empty=_IS_EMPTY), names)
    except DBAPIError as error:
        if sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
    finally:
        savepoint.rollback()
    return _rows(connection, _TABLES.format(bytes=_RECORDED, is_empty="c.relkind = 'p'"), names)


def _rows(connection: Connection, query: str, names: list[str]) -> list[Row[Any]]:
    statement = text(query).bindparams(bindparam("names", type_=ARRAY(Text)))
    return list(connection.execute(statement, {"names": names}).all())
