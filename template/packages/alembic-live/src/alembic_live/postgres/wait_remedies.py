"""What to do about sessions that hold a lock. Some must not simply be ended."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from alembic_live.printable import one_line
from alembic_live.sql.quoting import identifier

LONGEST_NAME = 300  # characters

BACKUPS = ("pg_dump", "pg_dumpall", "pg_basebackup")  # their application_name

FASTER = (
    "To speed it up, as a superuser: ALTER SYSTEM SET autovacuum_vacuum_cost_delay = 0; SELECT "
    "pg_reload_conf();"
)
WITHOUT_STANDBY = (
    "Start the standby, or take it out, as a superuser: ALTER SYSTEM SET synchronous_standby_names = "
    "''; SELECT pg_reload_conf();"
)


def remedies(sessions: Sequence[Row[Any]]) -> list[str]:
    """What to do about some sessions, each a row of `blocking_sessions.SESSIONS`."""
    special = {row.pid: _special_remedy(row) for row in sessions}
    ended = [row for row in sessions if not special[row.pid]]
    found = [text for text in special.values() if text]
    if ended:
        calls = ", ".join(f"pg_terminate_backend({int(row.pid)})" for row in ended)
        them = "it" if len(ended) == 1 else "them"
        found.append(f"To end {them}{_who_may_end(ended)}: SELECT {calls};")
    return found


def is_against_wraparound(row: Row[Any]) -> bool:
    """Whether a session is an autovacuum that does not yield."""
    return bool(row.is_of_the_server and row.task == "VACUUM" and row.is_against_wraparound)


def _who_may_end(sessions: Sequence[Row[Any]]) -> str:
    """Which role to use, if the one that asks may not end the sessions.

    https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
    """
    others = [row for row in sessions if row.role and not row.is_own]
    if any(row.is_superuser for row in others):
        return ", as a superuser"
    return ", as a role with pg_signal_backend" if any(not row.may_signal for row in others) else ""


def _special_remedy(row: Row[Any]) -> str:
    """What to do about a session that must not simply be ended."""
    pid = int(row.pid)
    if row.waits_for_standby:
        return WITHOUT_STANDBY
    if is_against_wraparound(row):
        return (
            "Let it finish: it protects the database from a wraparound of transaction ids, and starts "
            f"again if it is ended. pg_stat_progress_vacuum shows how far it is. {FASTER}"
        )
    if row.is_of_the_server and row.task:
        return f"It yields to a statement that waits longer than deadlock_timeout ({row.yields_after})."
    if row.is_of_the_server:
        return "It is a process of the server: let it finish."
    if row.subscription:
        name = one_line(identifier(row.subscription), LONGEST_NAME)
        return (
            f"Logical replication writes to the table. To pause it: ALTER SUBSCRIPTION {name} DISABLE; "
            "and ENABLE it after the migration."
        )
    if row.name in BACKUPS:
        return (
            "It is a backup: let it finish, or migrate at another time. To end it, and to repeat it "
            f"later: SELECT pg_terminate_backend({pid});"
        )
    if row.task:
        return (
            f"Let its {row.task} finish, or cancel it, and repeat it later: SELECT "
            f"pg_cancel_backend({pid});"
        )
    return ""
