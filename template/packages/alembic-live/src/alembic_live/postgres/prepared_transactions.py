"""Prepared transactions (PREPARE TRANSACTION) that hold a lock. No process has them, and they stay when
the server restarts.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from alembic_live.printable import one_line
from alembic_live.sql.quoting import identifier, literal

LONGEST_NAME = 300  # characters

# A prepared transaction has no process. Its virtualtransaction is -1/xid, as the documentation says,
# only after a restart of the server. It always holds the lock on its own id.
# https://www.postgresql.org/docs/current/view-pg-locks.html
PREPARED = text(
    """
    SELECT DISTINCT w.pid AS waiter, x.gid, x.owner, x.prepared, w.mode AS wanted, l.mode,
           extract(epoch FROM clock_timestamp() - x.prepared)::float AS age
    FROM pg_locks w JOIN pg_locks l
      ON l.pid IS NULL AND l.granted AND l.locktype = w.locktype
     AND (l.database, l.relation, l.transactionid::text, l.classid, l.objid, l.objsubid)
         IS NOT DISTINCT FROM
         (w.database, w.relation, w.transactionid::text, w.classid, w.objid, w.objsubid)
    JOIN pg_locks own ON own.pid IS NULL AND own.virtualtransaction = l.virtualtransaction
    JOIN pg_prepared_xacts x ON own.locktype = 'transactionid' AND own.transactionid = x.transaction
    WHERE NOT w.granted AND w.pid = ANY (CAST(:pids AS int[]))
    ORDER BY x.prepared
    """
)

# https://www.postgresql.org/docs/current/explicit-locking.html#TABLE-LOCK-COMPATIBILITY: for each
# mode, the first digit of each mode that conflicts with it.
MODES = (
    "AccessShare", "RowShare", "RowExclusive", "ShareUpdateExclusive", "Share", "ShareRowExclusive",
    "Exclusive", "AccessExclusive",
)  # fmt: skip
CONFLICTS = ("8", "78", "5678", "45678", "34678", "345678", "2345678", "12345678")


def prepared_transactions(connection: Connection, waiters: Sequence[int]) -> list[Row[Any]]:
    """The prepared transactions that hold a lock that a session waits for, each with its `waiter`.

    Args:
        connection: a connection of any role.
        waiters: the process ids of the sessions that wait.

    Raises:
        DBAPIError: the server refuses.
    """
    if not waiters:
        return []
    rows = connection.execute(PREPARED, {"pids": list(waiters)}).all()
    return [row for row in rows if _conflict(row.wanted, row.mode)]


def described(row: Row[Any]) -> str:
    """A prepared transaction, its owner and its age."""
    gid = one_line(literal(row.gid), LONGEST_NAME)
    owner = one_line(identifier(row.owner), LONGEST_NAME)
    return f"prepared transaction {gid} (of role {owner}, for {row.age:.0f} s)"


def way_to_end(row: Row[Any]) -> str:
    """How to end a prepared transaction."""
    gid, owner = one_line(literal(row.gid)), one_line(identifier(row.owner))
    return (
        f"To end the prepared transaction, as {owner} or a superuser in this database: ROLLBACK "
        f"PREPARED {gid}; or COMMIT PREPARED {gid};"
    )


def _conflict(one: str, other: str) -> bool:
    numbers = [MODES.index(each.removesuffix("Lock")) for each in (one, other)]
    return str(numbers[1] + 1) in CONFLICTS[numbers[0]]
