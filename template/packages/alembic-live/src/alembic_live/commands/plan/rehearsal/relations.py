"""What Postgres shows of relations: their files, and the locks and scans of a transaction.

It shows them on empty tables too: a table that is rewritten has a new file, and a scan is counted.
https://www.postgresql.org/docs/current/view-pg-locks.html
https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-FUNCTIONS
"""

from typing import Any, NamedTuple

from alembic_live.commands.plan.rehearsal.effects import LockMode, RelationName

FIRST_OID = 16384  # FirstNormalObjectId: smaller ones are those of initdb
VIEW_WITH_ROWS = "m"
WITH_ROWS = ("r", "p", VIEW_WITH_ROWS, "f")
INDEX = "i"
SEQUENCE = "S"

_RELATION = """
    json_build_object('oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname,
        'kind', c.relkind::text, 'method', m.amname, 'file', pg_relation_filenode(c.oid)::bigint,
        'space', c.reltablespace::bigint, 'table', coalesce(i.indrelid, s.refobjid)::bigint,
        'excludes', coalesce(i.indisexclusion, false), 'parent', h.inhparent::bigint)"""
_FROM = """
    pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_am m ON m.oid = c.relam LEFT JOIN pg_index i ON i.indexrelid = c.oid
    LEFT JOIN pg_depend s ON c.relkind = 'S' AND s.objid = c.oid AND s.deptype IN ('a', 'i')
        AND s.classid = 'pg_class'::regclass AND s.refclassid = 'pg_class'::regclass
    LEFT JOIN pg_inherits h ON h.inhrelid = c.oid AND c.relispartition"""
_KEY = """
    json_build_object('oid', k.oid::bigint, 'valid', k.convalidated, 'table', k.conrelid::bigint,
        'other', k.confrelid::bigint, 'cascades', k.confdeltype IN ('c', 'n', 'd'))"""

EVERYTHING = f"""
SELECT json_build_object(
    'relations', (SELECT coalesce(json_agg({_RELATION}), '[]') FROM {_FROM}
        WHERE c.oid >= {FIRST_OID} AND c.relkind <> 't'),
    'keys', (SELECT coalesce(json_agg({_KEY}), '[]') FROM pg_constraint k WHERE k.contype = 'f'),
    'vacuums', (SELECT coalesce(json_agg(json_build_array(c.oid::bigint,
            pg_stat_get_vacuum_count(c.oid) + pg_stat_get_analyze_count(c.oid))), '[]')
        FROM pg_class c WHERE c.oid >= {FIRST_OID} AND c.relkind IN ('r', 'm'))
)::text
"""

# The catalogs of what belongs to the whole server. pg_shdepend is left out: each table is in it.
SHARED = ", ".join(
    f"'{name}'::regclass"
    for name in (
        *("pg_authid", "pg_auth_members", "pg_database", "pg_db_role_setting", "pg_tablespace"),
        *("pg_parameter_acl", "pg_replication_origin", "pg_shdescription", "pg_subscription"),
    )
)

# A transaction has locked what it has touched.
TOUCHED = f"""
WITH held AS (
    SELECT l.relation AS oid, max(l.virtualtransaction) AS number,
        string_agg(l.mode, ' ') AS modes
    FROM pg_locks l
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation >= {FIRST_OID}
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    GROUP BY 1
)
SELECT json_build_object(
    'transaction', (SELECT max(number) FROM held),
    'shared', EXISTS (SELECT FROM pg_locks l
        WHERE l.pid = pg_backend_pid() AND l.database = 0 AND l.mode = 'RowExclusiveLock'
            AND l.relation IN ({SHARED})),
    'locks', (SELECT coalesce(json_agg(json_build_array(oid::bigint, modes,
        pg_stat_get_xact_numscans(oid))), '[]') FROM held),
    'relations', (SELECT coalesce(json_agg({_RELATION}), '[]') FROM {_FROM}
        WHERE c.oid IN (SELECT oid FROM held) AND c.relkind <> 't'),
    'keys', (SELECT coalesce(json_agg({_KEY}), '[]') FROM pg_constraint k
        WHERE k.contype = 'f' AND k.conrelid IN (SELECT oid FROM held))
)::text
"""

# Without it, the counters may contain the scans of the transaction before.
COUNT_FROM_ZERO = "SELECT pg_stat_force_next_flush()"


class Relation(NamedTuple):
    """A relation as pg_class has it."""

    oid: int
    full_name: RelationName
    kind: str
    method: str | None
    file: int | None
    space: int
    table: int  # of an index or the sequence of a column, else its own oid
    excludes: bool  # an index of EXCLUDE
    parent: int | None  # of a partition


class ObservedKey(NamedTuple):
    """A foreign key. Its tables are oids."""

    is_valid: bool
    table: int
    other: int
    cascades: bool  # whether DELETE changes the rows that reference a row


_MODES = {mode.name.title().replace("_", "") + "Lock": mode for mode in LockMode}


def mode_of(name: str) -> LockMode:
    """The mode that has a name in pg_locks, such as `AccessShareLock`."""
    return _MODES[name]


def strongest(modes: str) -> LockMode:
    """The strongest of modes that are separated by spaces."""
    return max(map(mode_of, modes.split()))


def relation_in(row: dict[str, Any]) -> Relation:
    """The relation in the results of the queries."""
    return Relation(
        row["oid"],
        RelationName(row["schema"], row["name"]),
        row["kind"],
        row["method"],
        row["file"],
        row["space"],
        row["table"] or row["oid"],
        row["excludes"],
        row["parent"],
    )


def key_in(row: dict[str, Any]) -> ObservedKey:
    """The foreign key in the results of the queries."""
    return ObservedKey(row["valid"], row["table"], row["other"], row["cascades"])
