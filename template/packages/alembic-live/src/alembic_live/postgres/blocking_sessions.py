"""The sessions and prepared transactions that hold a lock, and how to end the wait for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from alembic_live.postgres.prepared_transactions import described, prepared_transactions, way_to_end
from alembic_live.postgres.wait_remedies import is_against_wraparound, remedies
from alembic_live.printable import one_line
from alembic_live.sql.quoting import identifier

LONGEST_NAME = 300  # characters
MOST_SESSIONS = 10  # that a text names
DEPTH = 5  # of sessions that wait for each other

PAIRS = text(
    """
    SELECT w.pid AS waiter, b AS pid, w.locktype AS lock
    FROM pg_locks w, unnest(pg_blocking_pids(w.pid)) b
    WHERE NOT w.granted AND w.pid = ANY (CAST(:pids AS int[]))
    """
)

# pg_stat_activity hides the state of other roles' sessions. It shows their role, and autovacuum has
# none. The pg_stat_progress_* views show to everyone that a session runs VACUUM and the like.
# https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-VIEWS
SESSIONS = text(
    """
    WITH tasks (pid, task) AS (
        SELECT pid, 'VACUUM' FROM pg_stat_progress_vacuum
        UNION ALL SELECT pid, 'ANALYZE' FROM pg_stat_progress_analyze
        UNION ALL SELECT pid, 'CREATE INDEX' FROM pg_stat_progress_create_index
        UNION ALL SELECT pid, 'CLUSTER or VACUUM FULL' FROM pg_stat_progress_cluster
        UNION ALL SELECT pid, 'COPY' FROM pg_stat_progress_copy
    )
    SELECT a.pid, a.application_name AS name, a.usename AS role, a.state, a.backend_type AS kind,
           extract(epoch FROM clock_timestamp() - a.xact_start)::float AS age,
           (SELECT task FROM tasks t WHERE t.pid = a.pid LIMIT 1) AS task,
           (SELECT subname::text FROM pg_stat_subscription s WHERE s.pid = a.pid LIMIT 1) AS subscription,
           a.usesysid IS NULL AS is_of_the_server,
           a.query LIKE 'autovacuum:%(to prevent wraparound)' OR EXISTS (
               SELECT FROM pg_locks w JOIN pg_class r ON r.oid = w.relation
               WHERE w.pid = ANY (CAST(:waiters AS int[])) AND NOT w.granted
                 AND (age(r.relfrozenxid) > current_setting('autovacuum_freeze_max_age')::int
                      OR mxid_age(r.relminmxid)
                         > current_setting('autovacuum_multixact_freeze_max_age')::int)
           ) AS is_against_wraparound,
           coalesce(a.state = 'active' AND a.wait_event = 'SyncRep', false) AS waits_for_standby,
           pg_has_role(a.usesysid, 'USAGE') AS is_own,
           pg_has_role('pg_signal_backend', 'USAGE') AS may_signal,
           (SELECT rolsuper FROM pg_roles WHERE oid = a.usesysid) AS is_superuser,
           current_user AS reader, current_setting('deadlock_timeout') AS yields_after
    FROM pg_stat_activity a WHERE a.pid = ANY (CAST(:pids AS int[])) ORDER BY a.xact_start
    """
)


@dataclass(frozen=True, slots=True)
class Blocking:
    """What holds a lock: `sessions` names it, and `remedy` says how to end the wait."""

    sessions: str
    remedy: str


def blocking(connection: Connection, pid: int) -> Blocking | None:
    """What holds the lock that a session waits for. None if it waits for none.

    Args:
        connection: a connection in autocommit, of any role.
        pid: the process id of the session that waits.

    Raises:
        DBAPIError: the server refuses.
    """
    pairs = _pairs(connection, pid)
    if not pairs:
        return None
    waiters = list({pair.waiter for pair in pairs})
    pids = list({pair.pid for pair in pairs})
    sessions = connection.execute(SESSIONS, {"pids": pids, "waiters": waiters}).all()
    prepared = prepared_transactions(connection, waiters if 0 in pids else ())

    def held_by(waiter: int) -> list[str]:
        """What blocks a session. A prepared transaction has the process id 0."""
        own = {pair.pid for pair in pairs if pair.waiter == waiter}
        named = [_session(row, further(row.pid)) for row in sessions if row.pid in own]
        transactions = [described(row) for row in prepared if row.waiter == waiter]
        if 0 in own:
            named += dict.fromkeys(transactions or ["a prepared transaction"])
        more = len(named) - MOST_SESSIONS
        return [*named[:MOST_SESSIONS], *([f"{more} others"] if more > 0 else [])]

    def further(waiter: int) -> str:
        """What a session that blocks another one waits for."""
        locks = {pair.lock for pair in pairs if pair.waiter == waiter}
        if not locks or waiter in passed:
            return ""
        passed.add(waiter)
        lock = "an advisory lock of " if "advisory" in locks else ""
        return f"waiting for {lock}{', '.join(held_by(waiter))}"

    passed = {pid}
    roots = [row for row in sessions if row.pid not in waiters]
    texts = [*remedies(roots), *map(way_to_end, prepared), *_hidden(sessions)]
    return Blocking(", ".join(held_by(pid)), " ".join(dict.fromkeys(texts)))


def _pairs(connection: Connection, pid: int) -> list[Row[Any]]:
    """Which session waits for which: the first one, those that it waits for, and so on."""
    pairs: list[Row[Any]] = []
    waiting, seen = [pid], {pid, 0}
    for _ in range(DEPTH):
        found = connection.execute(PAIRS, {"pids": waiting}).all()
        pairs += found
        waiting = list({pair.pid for pair in found} - seen)
        seen |= set(waiting)
        if not waiting:
            break
    return pairs


def _session(row: Row[Any], further: str) -> str:
    if row.is_of_the_server:
        parts = [_server_process(row)]
    else:
        parts = [_name_of(row)]
        if row.task:
            parts.append(row.task)
        if not row.state:
            parts.append(f"of role {one_line(identifier(row.role), LONGEST_NAME)}")
        parts.append(one_line(row.state or "state hidden", LONGEST_NAME))
    if row.waits_for_standby:
        parts.append("at its COMMIT, which waits for a synchronous standby")
    if row.age is not None:
        parts.append(f"for {row.age:.0f} s")
    if further:
        parts.append(further)
    return f"pid {int(row.pid)} ({', '.join(parts)})"


def _name_of(row: Row[Any]) -> str:
    if row.subscription:
        return f"subscription {one_line(identifier(row.subscription), LONGEST_NAME)}"
    return one_line(row.name or "without a name", LONGEST_NAME)


def _server_process(row: Row[Any]) -> str:
    if row.task in ("VACUUM", "ANALYZE"):
        against = " to prevent wraparound" if is_against_wraparound(row) else ""
        return f"autovacuum: {row.task}{against}"
    return one_line(row.kind or "a process of the server", LONGEST_NAME)


def _hidden(sessions: Iterable[Row[Any]]) -> list[str]:
    hidden = [row for row in sessions if row.role and not row.state]
    if not hidden:
        return []
    reader = one_line(identifier(hidden[0].reader), LONGEST_NAME)
    return [f"To see what sessions of other roles do: GRANT pg_read_all_stats TO {reader};"]
