"""How far a statement is, for those whose progress Postgres counts.

https://www.postgresql.org/docs/current/progress-reporting.html
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from alembic_live.printable import one_line

# Each with the command, its phase, how much of how many (0 if unknown), and of what.
PROGRESS = text(
    """
    SELECT command, phase,
           CASE WHEN phase LIKE '%tuples%' AND tuples_total > 0 THEN tuples_done ELSE blocks_done END,
           CASE WHEN phase LIKE '%tuples%' AND tuples_total > 0 THEN tuples_total ELSE blocks_total END,
           CASE WHEN phase LIKE '%tuples%' AND tuples_total > 0 THEN 'rows' ELSE 'blocks' END
    FROM pg_stat_progress_create_index WHERE pid = :pid
    UNION ALL
    SELECT 'VACUUM', phase,
           CASE phase WHEN 'vacuuming heap' THEN heap_blks_vacuumed ELSE heap_blks_scanned END,
           heap_blks_total, 'blocks'
    FROM pg_stat_progress_vacuum WHERE pid = :pid
    UNION ALL
    SELECT 'ANALYZE', phase, sample_blks_scanned, sample_blks_total, 'blocks'
    FROM pg_stat_progress_analyze WHERE pid = :pid
    UNION ALL
    SELECT command, phase,
           CASE phase WHEN 'writing new heap' THEN heap_tuples_written
                      WHEN 'seq scanning heap' THEN heap_blks_scanned ELSE heap_tuples_scanned END,
           CASE phase WHEN 'writing new heap' THEN heap_tuples_scanned
                      WHEN 'seq scanning heap' THEN heap_blks_total ELSE 0 END,
           CASE phase WHEN 'seq scanning heap' THEN 'blocks' ELSE 'rows' END
    FROM pg_stat_progress_cluster WHERE pid = :pid
    UNION ALL
    SELECT command, '',
           CASE WHEN bytes_total > 0 THEN bytes_processed ELSE tuples_processed END,
           bytes_total, CASE WHEN bytes_total > 0 THEN 'bytes' ELSE 'rows' END
    FROM pg_stat_progress_copy WHERE pid = :pid
    LIMIT 1
    """
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a statement is. As text: `building index: scanning table, 45 % (9 of 20 blocks)`."""

    command: str
    phase: str
    done: int
    total: int  # 0 if Postgres does not know it
    unit: str

    @property
    def share(self) -> float | None:
        """From 0 to 1."""
        return min(1.0, self.done / self.total) if self.total > 0 else None

    def __str__(self) -> str:
        counted = f"{self.done:,} {self.unit}" if self.done else ""
        if self.share is not None:
            counted = f"{self.share:.0%} ({self.done:,} of {self.total:,} {self.unit})"
        return ", ".join(filter(None, (self.phase, counted)))


def progress_of(connection: Connection, pid: int) -> Progress | None:
    """How far the statement of a session is. None if Postgres does not count, or hides it.

    Raises:
        DBAPIError: the server refuses.
    """
    row = connection.execute(PROGRESS, {"pid": pid}).first()
    if row is None or row[0] is None:
        return None
    command, phase, done, total, unit = row
    return Progress(one_line(command), one_line(phase or ""), done or 0, total or 0, unit)
