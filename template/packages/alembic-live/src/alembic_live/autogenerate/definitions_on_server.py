"""The definitions of the tables in the database, as the server prints them."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, text

# What Alembic does not write, as SQL that restores it: `kind` and `name` say of what. :prefix is the
# schema in SQL, with a dot, or nothing.
DETAILS = text(
    r"""
    WITH t AS (
        SELECT c.*, CAST(:prefix AS text) || quote_ident(c.relname) AS rel
        FROM pg_class c WHERE c.oid = to_regclass(:relation)
    )
    SELECT 'column' AS kind, a.attname::text AS name, concat('ALTER TABLE ', t.rel,
           ' ALTER COLUMN ', quote_ident(a.attname), ' ', s.setting) AS statement
    FROM t JOIN pg_attribute a ON a.attrelid = t.oid JOIN pg_type y ON y.oid = a.atttypid
    CROSS JOIN LATERAL (VALUES
        (CASE WHEN a.attstorage <> y.typstorage THEN 'SET STORAGE ' || CASE a.attstorage
            WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END),
        (CASE a.attcompression WHEN 'p' THEN 'SET COMPRESSION pglz' WHEN 'l' THEN 'SET COMPRESSION lz4' END),
        (CASE WHEN coalesce(a.attstattarget, -1) >= 0 THEN 'SET STATISTICS ' || a.attstattarget END),
        ('SET (' || array_to_string(a.attoptions, ', ') || ')')
    ) AS s(setting)
    WHERE a.attnum > 0 AND NOT a.attisdropped AND s.setting IS NOT NULL
    UNION ALL
    SELECT 'column', a.attname::text, s.statement
    FROM t JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
        AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'
    JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_sequence q ON q.seqrelid = c.oid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    JOIN pg_attrdef f ON f.adrelid = t.oid AND f.adnum = a.attnum
    CROSS JOIN LATERAL (SELECT CASE WHEN c.relnamespace = t.relnamespace THEN CAST(:prefix AS text)
        ELSE quote_ident(n.nspname) || '.' END || quote_ident(c.relname)) AS r(rel)
    CROSS JOIN LATERAL (VALUES
        (concat('CREATE SEQUENCE ', r.rel, ' AS ', format_type(q.seqtypid, NULL),
            ' START ', q.seqstart, ' INCREMENT ', q.seqincrement, ' MINVALUE ', q.seqmin,
            ' MAXVALUE ', q.seqmax, ' CACHE ', q.seqcache, CASE WHEN q.seqcycle THEN ' CYCLE' END,
            ' OWNED BY ', t.rel, '.', quote_ident(a.attname))),
        (concat('ALTER TABLE ', t.rel, ' ALTER COLUMN ', quote_ident(a.attname), ' SET DEFAULT ',
            pg_get_expr(f.adbin, f.adrelid)))
    ) AS s(statement)
    WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary
                      AND i.indnatts = 1 AND i.indkey[0] = a.attnum)
    UNION ALL
    SELECT 'table', '', concat('ALTER TABLE ', t.rel, ' ', s.setting)
    FROM t CROSS JOIN LATERAL (VALUES
        (CASE WHEN t.relpersistence = 'u' THEN 'SET UNLOGGED' END),
        ('SET (' || array_to_string(t.reloptions, ', ') || ')'),
        (CASE t.relreplident WHEN 'f' THEN 'REPLICA IDENTITY FULL' WHEN 'n' THEN 'REPLICA IDENTITY NOTHING' END),
        (CASE WHEN t.relrowsecurity THEN 'ENABLE ROW LEVEL SECURITY' END),
        (CASE WHEN t.relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END)
    ) AS s(setting) WHERE s.setting IS NOT NULL
    UNION ALL
    SELECT 'table', p.polname::text, concat('CREATE POLICY ', quote_ident(p.polname), ' ON ', t.rel,
        CASE WHEN NOT p.polpermissive THEN ' AS RESTRICTIVE' END,
        CASE p.polcmd WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' WHEN 'w' THEN ' FOR UPDATE'
            WHEN 'd' THEN ' FOR DELETE' END,
        CASE WHEN p.polroles <> '{0}' THEN ' TO ' || (SELECT string_agg(quote_ident(rolname), ', ')
            FROM pg_roles WHERE oid = ANY (p.polroles)) END,
        ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
        ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
    FROM t JOIN pg_policy p ON p.polrelid = t.oid
    UNION ALL
    SELECT 'table', g.tgname::text, s.statement
    FROM t JOIN pg_trigger g ON g.tgrelid = t.oid
    CROSS JOIN LATERAL (VALUES (pg_get_triggerdef(g.oid, true)),
        (concat('ALTER TABLE ', t.rel, CASE g.tgenabled WHEN 'D' THEN ' DISABLE' WHEN 'R' THEN ' ENABLE REPLICA'
            WHEN 'A' THEN ' ENABLE ALWAYS' END, ' TRIGGER ', quote_ident(g.tgname)))
    ) AS s(statement)
    WHERE NOT g.tgisinternal AND (s.statement NOT LIKE 'ALTER %' OR g.tgenabled <> 'O')
    UNION ALL
    SELECT 'table', r.rulename::text, rtrim(pg_get_ruledef(r.oid, true), ';')
    FROM t JOIN pg_rewrite r ON r.ev_class = t.oid
    UNION ALL
    SELECT 'statistics', x.stxname::text, s.statement
    FROM t JOIN pg_statistic_ext x ON x.stxrelid = t.oid
    CROSS JOIN LATERAL (VALUES (pg_get_statisticsobjdef(x.oid)),
        ('ALTER STATISTICS ' || CAST(:prefix AS text) || quote_ident(x.stxname) || ' SET STATISTICS '
            || CASE WHEN coalesce(x.stxstattarget, -1) >= 0 THEN x.stxstattarget END)
    ) AS s(statement) WHERE s.statement IS NOT NULL
    UNION ALL
    SELECT 'index', c.relname::text, s.statement
    FROM t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = t.oid AND k.contype IN ('p', 'u', 'x')
    CROSS JOIN LATERAL (
        SELECT concat('ALTER INDEX ', CAST(:prefix AS text), quote_ident(c.relname)) AS alter
    ) AS x
    CROSS JOIN LATERAL (
        VALUES
        (CASE WHEN i.indisreplident THEN concat('ALTER TABLE ', t.rel, ' REPLICA IDENTITY USING INDEX ',
            quote_ident(c.relname)) END),
        (CASE WHEN i.indisclustered THEN concat('ALTER TABLE ', t.rel, ' CLUSTER ON ', quote_ident(c.relname)) END),
        (CASE WHEN k.oid IS NOT NULL THEN x.alter || ' SET (' || array_to_string(c.reloptions, ', ') || ')' END)
        UNION ALL
        SELECT concat(x.alter, ' ALTER COLUMN ', a.attnum, ' SET STATISTICS ', a.attstattarget)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND coalesce(a.attstattarget, -1) >= 0
    ) AS s(statement) WHERE s.statement IS NOT NULL
    UNION ALL
    SELECT CASE o.what WHEN 'INDEX' THEN 'index' WHEN 'CONSTRAINT' THEN 'index'
                WHEN 'STATISTICS' THEN 'statistics' ELSE 'table' END,
           o.name::text, concat('COMMENT ON ', o.what, ' ',
           CASE WHEN o.what IN ('INDEX', 'STATISTICS') THEN CAST(:prefix AS text) END, quote_ident(o.name),
           CASE WHEN o.what NOT IN ('INDEX', 'STATISTICS') THEN ' ON ' || t.rel END,
           ' IS ', quote_literal(e.description))
    FROM t CROSS JOIN LATERAL (
        SELECT 'INDEX', i.indexrelid, 'pg_class'::regclass, c.relname
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = t.oid
        UNION ALL SELECT 'CONSTRAINT', oid, 'pg_constraint'::regclass, conname FROM pg_constraint WHERE conrelid = t.oid
        UNION ALL SELECT 'STATISTICS', oid, 'pg_statistic_ext'::regclass, stxname FROM pg_statistic_ext WHERE stxrelid = t.oid
        UNION ALL SELECT 'TRIGGER', oid, 'pg_trigger'::regclass, tgname FROM pg_trigger WHERE tgrelid = t.oid
        UNION ALL SELECT 'POLICY', oid, 'pg_policy'::regclass, polname FROM pg_policy WHERE polrelid = t.oid
        UNION ALL SELECT 'RULE', oid, 'pg_rewrite'::regclass, rulename FROM pg_rewrite WHERE ev_class = t.oid
    ) AS o(what, oid, class, name)
    JOIN pg_description e ON e.objoid = o.oid AND e.classoid = o.class AND e.objsubid = 0
    """
)

CONSTRAINTS = text(
    """
    SELECT k.conname::text AS name, k.contype::text AS kind, k.condeferrable AS is_deferrable,
           k.condeferred AS is_deferred, k.confmatchtype = 'f' AS is_match_full,
           NOT k.convalidated AS is_not_valid, k.conislocal AS is_local,
           pg_get_constraintdef(k.oid, true) AS definition
    FROM pg_constraint k
    WHERE k.conrelid = to_regclass(:relation) AND k.contype IN ('p', 'u', 'f', 'c', 'x')
      AND k.conparentid = 0
    ORDER BY k.contype = 'f', k.oid
    """
)
INDEXES = text(
    """
    SELECT c.relname::text AS name, pg_get_indexdef(c.oid) AS definition, m.amname::text AS method,
           s.spcname::text AS tablespace, pg_get_expr(i.indpred, i.indrelid, true) AS predicate
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
    WHERE i.indrelid = to_regclass(:relation)
    """
)
# What only a person can restore, or what is of the environment.
LEFT_OUT = text(
    """
    SELECT 'the owner ' || pg_get_userbyid(c.relowner) AS text
    FROM pg_class c WHERE c.oid = to_regclass(:relation) AND pg_get_userbyid(c.relowner) <> current_user
    UNION ALL
    SELECT DISTINCT 'the privileges of '
        || CASE WHEN p.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(p.grantee)::text END
    FROM (
        SELECT relacl AS acl, relowner FROM pg_class WHERE oid = to_regclass(:relation)
        UNION ALL SELECT attacl, NULL FROM pg_attribute
        WHERE attrelid = to_regclass(:relation) AND CAST(:column AS text) IN ('', attname)
    ) AS a CROSS JOIN LATERAL aclexplode(a.acl) AS p
    WHERE (CAST(:column AS text) = '' OR a.relowner IS NULL)
      AND p.grantee IS DISTINCT FROM (SELECT relowner FROM pg_class WHERE oid = to_regclass(:relation))
    ORDER BY 1
    """
)
SHAPE = text(
    """
    SELECT pg_get_partkeydef(c.oid) AS partition_key,
           ARRAY(SELECT p.relname::text FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
                 WHERE i.inhrelid = c.oid AND p.relnamespace = c.relnamespace ORDER BY i.inhseqno) AS parents,
           ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
                 AND NOT attisdropped AND NOT attislocal) AS inherited,
           ARRAY(SELECT concat('CREATE TABLE ', p.relid::regclass, ' PARTITION OF ', p.parentrelid::regclass,
                        ' ', pg_get_expr(r.relpartbound, r.oid), ' PARTITION BY ' || pg_get_partkeydef(r.oid))
                 FROM pg_partition_tree(c.oid) p JOIN pg_class r ON r.oid = p.relid
                 WHERE p.level > 0 ORDER BY p.level, r.oid) AS partitions
    FROM pg_class c WHERE c.oid = to_regclass(:relation)
    """
)


ORDER = ("CREATE", "ALTER", "COMMENT")  # a setting is of a policy, a trigger or a sequence


class Detail(NamedTuple):
    """A property of a table that Alembic does not write."""

    kind: str  # table, column, index (or constraint), statistics
    name: str  # of that
    statement: str  # the SQL that restores it


def details(connection: Connection, prefix: str, relation: str) -> list[Detail]:
    """The details of a table, in an order in which each finds what it needs."""
    rows = connection.execute(DETAILS, {"prefix": prefix, "relation": relation})
    found = [Detail(row.kind, row.name, row.statement) for row in rows]
    return sorted(found, key=lambda each: ORDER.index(each.statement.partition(" ")[0]))


def by_name(connection: Connection, query: Any, relation: str) -> dict[str, Any]:
    """The rows of CONSTRAINTS or INDEXES by their names."""
    return {row.name: row for row in connection.execute(query, {"relation": relation})}
