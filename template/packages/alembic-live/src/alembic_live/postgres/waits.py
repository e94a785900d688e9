"""What a session waits for, or works at, as Postgres knows it. A second connection asks."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from alembic_live.postgres.blocking_sessions import Blocking, blocking
from alembic_live.postgres.progress import Progress, progress_of
from alembic_live.postgres.wait_remedies import WITHOUT_STANDBY
from alembic_live.printable import one_line
from alembic_live.sql.statement_kinds import is_concurrent

LONGEST_NAME = 300  # characters

# To the end of the transaction. The role that logs in may see its sessions; one of SET ROLE may not.
LOGIN_ROLE = text("SELECT set_config('role', 'none', true)")

# waitstart: Postgres 14 and later.
LOCK = text(
    """
    SELECT w.locktype, '"' || replace(w.relation::regclass::text, '"', '') || '"' AS relation,
           CASE w.locktype
               WHEN 'object' THEN pg_describe_object(w.classid, w.objid, 0)
               WHEN 'advisory' THEN CASE w.objsubid
                   WHEN 1 THEN ((w.classid::bigint << 32) | w.objid::bigint)::text
                   ELSE '(' || w.classid::int || ', ' || w.objid::int || ')'
               END
           END AS object,
           w.locktype = 'relation' AND w.mode = 'AccessExclusiveLock' AS blocks_reads, w.waitstart,
           coalesce(extract(epoch FROM clock_timestamp() - w.waitstart), 0)::float AS seconds,
           (SELECT query FROM pg_stat_activity WHERE pid = :pid) AS query
    FROM pg_locks w WHERE w.pid = :pid AND NOT w.granted LIMIT 1
    """
)

ACTIVITY = text(
    """
    SELECT state, wait_event_type AS type, wait_event AS event
    FROM pg_stat_activity WHERE pid = :pid AND state = 'active'
    """
)

STANDBYS = text(
    """
    SELECT current_setting('synchronous_standby_names'),
           (SELECT string_agg(application_name, ', ' ORDER BY 1) FROM pg_stat_replication)
    """
)

# https://www.postgresql.org/docs/current/monitoring-stats.html#WAIT-EVENT-TABLE
EVENTS = {
    "BufferPin": "until no session reads a page that it changes",
    "CheckpointDone": "for a checkpoint",
    "CheckpointStart": "for a checkpoint",
    "ClientRead": "for data from its client",
    "ClientWrite": "for its client to read",
    "PgSleep": "in pg_sleep()",
    "ProcSignalBarrier": "until each process of the server answers a signal",
    "SafeSnapshot": "until serializable transactions end",
    "VacuumDelay": "because of vacuum_cost_delay",
    "BackupWaitWalArchive": "for the archive of the WAL: check archive_command",
}
EVENTS_OF_A_TYPE = {
    "IO": "for the disk",
    "LWLock": "for other sessions inside the server",
    "BufferPin": "until no session reads a page that it changes",
    "Extension": "in an extension",
}


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that a session waits for. As text, what it is and what to do.

    Attributes:
        what: what it waits for, such as `"notes"`.
        holders: who holds it; empty if no session does.
        remedy: what to do, in sentences.
        since: the start of a wait for a lock, else None.
        seconds: the length of a wait for a lock.
        blocks_reads: whether readers of a table wait behind it.
    """

    what: str
    holders: str
    remedy: str
    since: Any = None
    seconds: float = 0
    blocks_reads: bool = False

    def __str__(self) -> str:
        held = f", held by {self.holders}" if self.holders else ""  # it may just have ended
        return f"{self.what}{held}. {self.remedy}".rstrip()


@dataclass(frozen=True, slots=True)
class Activity:
    """What a session works at. As text, how far it is, or what it waits for at this moment.

    Attributes:
        progress: what Postgres counts, if it does.
        event: what the session waits for at this moment, in words; often empty.
    """

    progress: Progress | None
    event: str

    def __str__(self) -> str:
        return str(self.progress or "") or (f"waits {self.event}" if self.event else "")


def look_at(connection: Connection, pid: int) -> Wait | Activity | None:
    """What a session does. None if it executes nothing.

    Args:
        connection: a connection in autocommit: a snapshot would delay CREATE INDEX CONCURRENTLY.
        pid: the process id of the session.

    Raises:
        DBAPIError: the server refuses.
    """
    values = {"pid": pid}
    if lock := connection.execute(LOCK, values).first():
        held = blocking(connection, pid) or Blocking("", "")
        return Wait(
            _name(lock), held.sessions, held.remedy, lock.waitstart, lock.seconds,
            lock.blocks_reads,
        )  # fmt: skip
    activity = connection.execute(ACTIVITY, values).first()
    if activity is None:
        return None
    if activity.event == "SyncRep":
        return _wait_for_standby(connection)
    return Activity(progress_of(connection, pid), _in_words(activity.type, activity.event))


def _name(lock: Row[Any]) -> str:
    """What a lock is on."""
    match lock.locktype:
        case "relation" | "extend" | "page":
            return one_line(lock.relation, LONGEST_NAME)
        case "tuple":
            return f"a row of {one_line(lock.relation, LONGEST_NAME)}"
        case "transactionid" if not is_concurrent(lock.query or ""):
            return "a row"
        case "transactionid" | "virtualxid":
            return "older transactions"
        case "object" if lock.object:
            return one_line(lock.object, LONGEST_NAME)
        case "advisory":
            return f"advisory lock {lock.object}"
        case kind:
            return one_line(f"a lock on {kind}", LONGEST_NAME)


def _wait_for_standby(connection: Connection) -> Wait:
    names, connected = connection.execute(STANDBYS).one()
    standbys = one_line(connected, LONGEST_NAME) if connected else "none"
    return Wait(
        "a synchronous standby to confirm a COMMIT",
        "",
        f"synchronous_standby_names is '{one_line(names, LONGEST_NAME)}'; connected: {standbys}. The "
        f"COMMIT is on the disk of this server already. {WITHOUT_STANDBY}",
    )


def _in_words(kind: str | None, event: str | None) -> str:
    if kind is None or event is None:
        return ""
    words = EVENTS.get(event) or EVENTS_OF_A_TYPE.get(kind) or "inside the server"
    return f"{words} ({one_line(kind)}: {one_line(event)})"
