"""What a table can have and a model cannot express. Revisions set it by hand."""

from sqlalchemy import Connection, text

from alembic_live.postgres.connection import execute_verbatim

# Statements that take it away. Nothing has rows, so each is quick.
#
# - NOT VALID, which CREATE TABLE ignores;
# - the names of sequences that belong to columns: they keep the old name of a renamed table;
# - that a sequence belongs to a column: pg_dump prints the default of the column elsewhere then;
# - FORCE ROW LEVEL SECURITY, statistics targets, storage, storage parameters, CLUSTER ON,
#   REPLICA IDENTITY, comments on indexes.
STATEMENTS = text(
    """
    WITH tables AS (
        SELECT c.oid, c.oid::regclass AS name, c.relname, c.reloptions, c.relforcerowsecurity,
               c.relreplident, t.reloptions AS toast_options
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
        WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
          AND pg_has_role(c.relowner, 'USAGE')
          AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass
                          AND objid = c.oid AND deptype = 'e')
    ), columns AS (
        SELECT t.*, format('ALTER TABLE %s ALTER COLUMN %I', t.name, a.attname) AS alter, a.attname,
               a.attnum, a.attstattarget, a.attstorage, a.attcompression, a.attoptions, y.typstorage
        FROM tables t
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type y ON y.oid = a.atttypid
    ), sequences AS (
        SELECT s.oid::regclass AS sequence, s.relname, s.relnamespace, d.deptype,
               left(c.relname, 29) || '_' || left(c.attname, 28) || '_seq' AS wanted
        FROM columns c
        JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
             AND d.refobjsubid = c.attnum AND d.classid = 'pg_class'::regclass
             AND d.deptype IN ('a', 'i')
        JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    )
    SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', name, k.conname) FROM tables
    JOIN pg_constraint k ON k.conrelid = tables.oid
    WHERE NOT k.convalidated AND coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true'
    UNION ALL
    SELECT format('ALTER SEQUENCE %s OWNED BY NONE', sequence) FROM sequences WHERE deptype = 'a'
    UNION ALL
    SELECT format('ALTER SEQUENCE %s RENAME TO %I', sequence, wanted) FROM sequences
    WHERE relname <> wanted AND NOT EXISTS (
        SELECT FROM pg_class WHERE relname = wanted AND relnamespace = sequences.relnamespace)
    UNION ALL
    SELECT format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', name) FROM tables
    WHERE relforcerowsecurity
    UNION ALL
    SELECT format('%s SET STATISTICS -1', alter) FROM columns WHERE attstattarget >= 0
    UNION ALL
    SELECT format('%s SET STORAGE %s', alter, CASE typstorage WHEN 'p' THEN 'PLAIN'
                  WHEN 'm' THEN 'MAIN' WHEN 'e' THEN 'EXTERNAL' ELSE 'EXTENDED' END)
    FROM columns WHERE attstorage <> typstorage
    UNION ALL
    SELECT format('%s SET COMPRESSION default', alter) FROM columns WHERE attcompression <> ''
    UNION ALL
    SELECT format('%s RESET (%s)', alter,
                  (SELECT string_agg(split_part(o, '=', 1), ', ') FROM unnest(attoptions) o))
    FROM columns WHERE attoptions <> '{}'
    UNION ALL
    SELECT format('ALTER TABLE %s RESET (%s)', name, (
        SELECT string_agg(split_part(o, '=', 1), ', ')
        FROM (SELECT unnest(reloptions) UNION ALL SELECT 'toast.' || unnest(toast_options)) _(o)))
    FROM tables WHERE coalesce(reloptions, toast_options) <> '{}'
    UNION ALL
    SELECT format('ALTER TABLE %s SET WITHOUT CLUSTER', name) FROM tables
    WHERE EXISTS (SELECT FROM pg_index WHERE indrelid = tables.oid AND indisclustered)
    UNION ALL
    SELECT format('ALTER TABLE %s REPLICA IDENTITY DEFAULT', name) FROM tables
    WHERE relreplident <> 'd'
    UNION ALL
    SELECT format('COMMENT ON INDEX %s IS NULL', i.indexrelid::regclass) FROM tables
    JOIN pg_index i ON i.indrelid = tables.oid
    WHERE obj_description(i.indexrelid, 'pg_class') IS NOT NULL
    """
)


OWNED = text(
    """
    SELECT s.oid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.deptype = 'a'
    """
)
NAMES = text("SELECT oid::regclass::text FROM pg_class WHERE oid = ANY(CAST(:oids AS oid[]))")


def remove_beyond_models(connection: Connection) -> list[str]:
    """Take from the tables of a scratch database what models cannot express.

    Args:
        connection: a connection to the scratch database, without a transaction.

    Returns:
        The sequences that belonged to columns, in SQL. They no longer disappear with their tables.

    Raises:
        DBAPIError: Postgres refuses to change a table.
    """
    with connection.begin():
        owned = list(connection.scalars(OWNED))
        for (statement,) in connection.execute(STATEMENTS).all():
            execute_verbatim(connection, statement)
        return list(connection.scalars(NAMES, {"oids": owned}))
