"""The sizes of the tables of the live database.

Reading them waits for no lock. If another session holds an ACCESS EXCLUSIVE lock on a table, or
waits for one, its size is the one that the last VACUUM or ANALYZE recorded.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from alembic_live.commands.plan.rehearsal.effects import RelationName
from alembic_live.commands.plan.rehearsal.relations import FIRST_OID
from alembic_live.postgres.explanations import sqlstate

LOCK_WAIT = "100ms"  # for a lock that is taken between the look at pg_locks and the measurement
TRIES = 3
LOCK_NOT_AVAILABLE = "55P03"

_TABLES = f"""
WITH locked AS (
    SELECT relation AS oid FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), measured AS (
    SELECT c.oid, c.relnamespace, c.relname, c.relkind, c.reltuples, c.relpages, c.reltoastrelid,
        {{is_recorded}} OR c.oid IN (SELECT oid FROM locked) OR c.reltoastrelid IN (SELECT oid FROM locked)
            OR EXISTS (SELECT FROM pg_index i JOIN locked l ON l.oid = i.indexrelid
                WHERE i.indrelid IN (c.oid, c.reltoastrelid)) AS is_recorded
    FROM pg_class c WHERE c.relkind IN ('r', 'p', 'm') AND c.oid >= {FIRST_OID}
        AND c.relpersistence <> 't'
)
SELECT n.nspname AS schema, m.relname AS name, m.oid::bigint AS oid,
    ARRAY(SELECT h.inhparent::bigint FROM pg_inherits h WHERE h.inhrelid = m.oid) AS parents,
    CASE WHEN m.relkind = 'p' THEN 0 WHEN is_recorded THEN block * (m.relpages
            + coalesce((SELECT t.relpages FROM pg_class t WHERE t.oid = m.reltoastrelid), 0))
        ELSE pg_table_size(m.oid) END AS heap,
    CASE WHEN m.relkind = 'p' THEN 0 WHEN is_recorded THEN block * coalesce((
            SELECT sum(x.relpages) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
            WHERE i.indrelid = m.oid), 0)
        ELSE pg_indexes_size(m.oid) END AS indexes,
    CASE WHEN m.relkind = 'p' THEN 0
        WHEN NOT is_recorded AND pg_relation_size(m.oid) = 0 THEN 0
        WHEN m.reltuples >= 0 OR pg_stat_get_live_tuples(m.oid) > 0
        THEN greatest(m.reltuples, pg_stat_get_live_tuples(m.oid), 0) END AS rows
FROM measured m JOIN pg_namespace n ON n.oid = m.relnamespace,
    (SELECT current_setting('block_size')::bigint AS block) b
"""


class TableSize(NamedTuple):
    """The size of a table with its partitions and the tables that inherit from it.

    Attributes:
        rows: an estimate of Postgres; None if it has none.
        heap: bytes of the rows, with TOAST.
        indexes: bytes of the indexes.
    """

    rows: int | None
    heap: int
    indexes: int

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.heap + self.indexes


Sizes = Mapping[RelationName, TableSize]


def read_sizes(connection: Connection) -> Sizes:
    """The sizes of all tables and materialized views.

    Args:
        connection: a connection without a transaction in progress. The transaction is read-only.
    """
    with connection.begin():
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        return _summed_up(_measured(connection))


def _measured(connection: Connection) -> list[Row[Any]]:
    for _ in range(TRIES):
        savepoint = connection.begin_nested()
        try:
            return list(connection.execute(text(_TABLES.format(is_recorded="false"))))
        except DBAPIError as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
        finally:
            savepoint.rollback()
    return list(connection.execute(text(_TABLES.format(is_recorded="true"))))


def _summed_up(rows: Iterable[Row[Any]]) -> Sizes:
    """Add the sizes of children to those of their parents."""
    own = {row.oid: row for row in rows}
    children: dict[int, list[int]] = {}
    for row in own.values():
        for parent in row.parents:
            children.setdefault(parent, []).append(row.oid)

    def family(oid: int) -> set[int]:
        found = {oid}
        for child in children.get(oid, ()):
            found |= family(child)
        return found

    sizes = {}
    for oid, row in own.items():
        members = [own[each] for each in family(oid) if each in own]
        numbers = [each.rows for each in members]
        sizes[RelationName(row.schema, row.name)] = TableSize(
            None if None in numbers else int(sum(numbers)),
            int(sum(each.heap for each in members)),
            int(sum(each.indexes for each in members)),
        )
    return sizes
