"""Changes of many rows in tables in use, in batches.

One statement for all rows locks each of them until it ends, and its WAL holds up the standbys. A batch
is a range of the key that takes about a tenth of a second, and a transaction.
"""

import logging
import time

from alembic.util import CommandError
from sqlalchemy import text

from alembic_live.operations.non_transactional import (
    execute,
    first_row,
    is_offline,
    note_offline,
    outside_transaction,
    rest,
    verbatim,
)
from alembic_live.operations.position import Position
from alembic_live.runtime.events import event
from alembic_live.sql.quoting import identifier

log = logging.getLogger("alembic.migrations")

AIM = 0.1  # seconds for a batch: so long a writer waits for its row
FIRST, MOST = 1000, 50_000  # rows of the key's range in the first batch, and in the largest
REST = 0.2  # of the time of a batch, in which others have the server
SAY_EVERY = 5.0  # seconds
LOOK_EVERY = 1.0  # seconds between two looks at the standbys
MOST_LAG = 10  # seconds

# The primary key, or another key without NULL.
KEY = text(
    """
    SELECT array_agg(a.attname::text ORDER BY k.number) AS names,
           array_agg(format_type(a.atttypid, -1) ORDER BY k.number) AS types
    FROM pg_index i
    CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, number)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = CAST(:table AS regclass) AND i.indisunique AND i.indisvalid
      AND i.indpred IS NULL AND i.indexprs IS NULL AND k.number <= i.indnkeyatts
    GROUP BY i.indexrelid, i.indisprimary
    HAVING bool_and(a.attnotnull)
    ORDER BY i.indisprimary DESC, count(*), i.indexrelid
    LIMIT 1
    """
)
ROWS = text(
    "SELECT sum(reltuples) FROM pg_class WHERE relkind = 'r' AND oid IN"
    " (SELECT relid FROM pg_partition_tree(CAST(:table AS regclass)) UNION SELECT CAST(:table AS regclass))"
)
# What a role without pg_monitor cannot see is NULL. https://www.postgresql.org/docs/current/monitoring-stats.html
LAG = text("SELECT max(extract(epoch FROM replay_lag))::float FROM pg_stat_replication")


def update_in_batches(
    table_name: str, changes: str, *, where: str | None = None, schema: str | None = None
) -> None:
    """Update rows in batches of the primary key, each in its own transaction. A run that was killed
    goes on where it stopped. The batches wait while a standby is more than ten seconds behind.

    Other sessions can insert rows meanwhile, also between keys that are done: let the service or a
    default give them the right value first.

    Args:
        table_name: the name of the table.
        changes: what follows SET, such as `total = price * amount`. It must not change the key.
        where: which rows. Default: all.
        schema: the schema of the table.

    Raises:
        CommandError: the table has no key, or a lock was not granted. What is done stays.
    """
    table = identifier(schema, table_name)
    _run(table, f"UPDATE {table} SET {changes}", where)


def delete_in_batches(table_name: str, *, where: str, schema: str | None = None) -> None:
    """Delete rows in batches of the primary key, as `update_in_batches` updates them.

    Args:
        table_name: the name of the table.
        where: which rows.
        schema: the schema of the table.

    Raises:
        CommandError: the table has no key, or a lock was not granted. What is done stays.
    """
    table = identifier(schema, table_name)
    _run(table, f"DELETE FROM {table}", where)


def _run(table: str, change: str, where: str | None) -> None:
    if is_offline():
        note_offline("An upgrade of a database does this in batches.")
        execute(f"{change} WHERE {where}" if where else change)
        return
    with outside_transaction():
        Batches(table, change, where).run(Position.of(f"{change} WHERE {where}"))


class Batches:
    """A change of rows, by ranges of a key."""

    def __init__(self, table: str, change: str, where: str | None) -> None:
        """
        Args:
            table: the table, in SQL.
            change: the statement, without its WHERE.
            where: which rows.

        Raises:
            CommandError: the table has no key.
        """
        row = first_row(KEY, table=table)
        if row is None:
            raise CommandError(
                f"{table} has no primary key, and no unique index of columns that are NOT NULL, so it "
                "cannot be changed in batches. Add a key, or change its rows with op.execute()."
            )
        self.table = table
        self._change = verbatim(change)
        self._where = f" AND ({verbatim(where)}\n)" if where else ""  # it may end in a comment
        self._types = [verbatim(type_) for type_ in row.types]
        names = [verbatim(identifier(name)) for name in row.names]
        self._key = ", ".join(names)
        self._position = ", ".join(f"CAST({name} AS text)" for name in names)
        self._last_first = ", ".join(f"{name} DESC" for name in names)

    def run(self, progress: Position) -> None:
        """Change the rows that are left, and log how far it is every few seconds."""
        row = first_row(ROWS, table=self.table)
        total = int(row[0] or 0) if row else 0
        began = said = looked = time.monotonic()
        size = FIRST
        while (end := self._next(progress.key, size)) is not None:
            position, number = end
            batch = time.monotonic()
            self._apply(progress, position, number)
            now = time.monotonic()
            size = _next_size(size, now - batch)
            if now - said >= SAY_EVERY:
                said = now
                _report(self.table, progress, total, now - began)
            if now - looked >= LOOK_EVERY:
                looked = now
                _wait_for_standbys()
            rest((now - batch) * REST)
        log.info(
            "Changed %s rows of %s in %.1f s",
            f"{progress.changed:,}",
            self.table,
            time.monotonic() - began,
        )

    def _next(self, position: list[str] | None, size: int) -> tuple[list[str], int] | None:
        """The last key of the next batch, and its number of rows. None at the end of the table."""
        after = f" WHERE {self._compared('>', 'from')}" if position else ""
        row = first_row(
            text(
                f"SELECT ARRAY[{self._position}] AS position, number FROM (SELECT {self._key},"
                f" count(*) OVER () AS number FROM (SELECT {self._key} FROM {verbatim(self.table)}{after}"
                f" ORDER BY {self._key} LIMIT CAST(:size AS int)) AS keys) AS batch"
                f" ORDER BY {self._last_first} LIMIT 1"
            ),
            size=size,
            **_values("from", position),
        )
        return (list(row.position), row.number) if row else None

    def _apply(self, progress: Position, position: list[str], number: int) -> None:
        """Change the rows of a batch, and note it in the same statement."""
        after = f"{self._compared('>', 'from')} AND " if progress.key else ""
        change = f"{self._change}\n WHERE {after}{self._compared('<=', 'to')}{self._where}"
        values = _values("from", progress.key) | _values("to", position)
        progress.advance(change, position, number, values)

    def _compared(self, operator: str, name: str) -> str:
        return f"({self._key}) {operator} ({self._casts(name)})"

    def _casts(self, name: str) -> str:
        return ", ".join(
            f"CAST(CAST(:{name}{number} AS text) AS {type_})"
            for number, type_ in enumerate(self._types)
        )


def _values(name: str, position: list[str] | None) -> dict[str, str]:
    return {f"{name}{number}": value for number, value in enumerate(position or ())}


def _next_size(size: int, seconds: float) -> int:
    """A number of rows that takes about as long as a batch may. It changes by a factor of two at most."""
    factor = min(2.0, max(0.5, AIM / max(seconds, 0.001)))
    return max(1, min(MOST, round(size * factor)))


def _report(table: str, progress: Position, total: int, seconds: float) -> None:
    share = min(0.99, progress.seen / total) if total > 0 else None
    percent = "" if share is None else f" ({share:.0%})"
    so_far = f"{progress.seen:,} rows{percent} seen, {progress.changed:,} changed"
    extra = event("running", seconds=round(seconds, 3), progress=so_far, share=share)
    log.info("Running for %.0f s on %s: %s", seconds, table, so_far, extra=extra)


def _wait_for_standbys() -> None:
    """Wait while a standby or a subscriber replays what is older than some seconds."""
    said = 0.0
    while (row := first_row(LAG)) and (row[0] or 0) > MOST_LAG:
        if time.monotonic() - said >= SAY_EVERY:
            said = time.monotonic()
            log.info("Waiting for a standby, which is %.0f s behind.", row[0])
        rest(LOOK_EVERY)
