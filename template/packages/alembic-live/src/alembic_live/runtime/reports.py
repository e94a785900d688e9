"""What is said about a statement in progress: in a log a line every few seconds, on a terminal a line
that is rewritten in place.
"""

import logging
import time

from alembic_live.postgres.waits import Activity, Wait
from alembic_live.printable import one_line
from alembic_live.runtime.events import event
from alembic_live.terminal import bar, show_progress, shows_progress

log = logging.getLogger("alembic.migrations")

SAY_EVERY = 5.0  # seconds between two messages about a statement
REDRAW_EVERY = 1.0  # seconds, on a terminal
LONG = 1.0  # seconds: a statement that took longer gets a line at its end
LONGEST_STATEMENT = 200  # characters


class Reports:
    """Reports on the statements of a migration. Something new is said immediately."""

    def __init__(self) -> None:
        self._said = ""
        self._when = 0.0  # the time of the last message
        self._drawn = 0.0

    def waiting(self, seconds: float, wait: Wait) -> None:
        """A statement waits, for so many seconds."""
        is_new = wait.what != self._said
        if self._is_due(wait.what):
            extra = event(
                "waiting", seconds=round(seconds, 3), what=wait.what, holders=wait.holders,
                remedy=wait.remedy,
            )  # fmt: skip
            if is_new:
                log.info("Waiting for %s", wait, extra=extra)
            else:
                log.info("Still waiting after %.0f s for %s", seconds, wait, extra=extra)

    def working(self, seconds: float, sql: str, activity: Activity | None) -> None:
        """A statement works, since so many seconds.

        Args:
            seconds: how long.
            sql: the statement.
            activity: what Postgres knows of it. None if there is no second connection to ask.
        """
        progress = activity.progress if activity else None
        if shows_progress():
            share = progress.share if progress else None
            shown = f"{bar(share)} " if share is not None else ""
            show_progress(f"{shown}{seconds:.0f} s, {activity or 'running'}: {in_short(sql)}")
        elif seconds >= SAY_EVERY and self._is_due(sql):
            done = str(activity or "no second connection to ask")
            done = done or "Postgres does not count its progress"
            statement = in_short(sql)
            extra = event(
                "running", seconds=round(seconds, 3), statement=statement, progress=done,
                share=progress.share if progress else None,
            )  # fmt: skip
            log.info("Running for %.0f s, %s: %s", seconds, done, statement, extra=extra)

    def running(self, seconds: float, revision: str, statements: int) -> None:
        """A revision executes short statements, since so many seconds."""
        now = time.monotonic()
        if shows_progress():
            if now - self._drawn >= REDRAW_EVERY:
                self._drawn = now
                show_progress(f"{seconds:.0f} s, {statements:,} statements: revision {revision}")
        elif seconds >= SAY_EVERY and now - self._when >= SAY_EVERY:
            self._when = now
            extra = event("running", seconds=round(seconds, 3), statements=statements)
            log.info(
                "Revision %s runs for %.0f s: %d statements",
                revision,
                seconds,
                statements,
                extra=extra,
            )

    def executed(self, seconds: float, sql: str) -> None:
        """A statement has ended."""
        level = logging.INFO if seconds >= LONG else logging.DEBUG
        if log.isEnabledFor(level):
            statement = in_short(sql)
            extra = event("executed", seconds=round(seconds, 3), statement=statement)
            log.log(level, "Executed in %.2f s: %s", seconds, statement, extra=extra)

    def _is_due(self, what: str) -> bool:
        now = time.monotonic()
        if what == self._said and now - self._when < SAY_EVERY:
            return False
        self._said, self._when = what, now
        return True


def in_short(sql: str) -> str:
    """The start of a statement on one line, without secrets."""
    from alembic_live.sql.redaction import redacted  # slow to import, and few statements need it

    text = " ".join(redacted(sql).split())
    shown = text[:LONGEST_STATEMENT] + ("…" if len(text) > LONGEST_STATEMENT else "")
    return one_line(shown)
