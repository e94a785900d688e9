"""The script that `--sql` writes: how to run it, and limits on the waits for locks."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TextIO

from alembic import context
from alembic.config import Config

from alembic_live.postgres.session_start import session_script
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.program import command_of
from alembic_live.runtime.timeouts import milliseconds
from alembic_live.terminal import end_stdout


@contextmanager
def written_script(project: Project, config: Config) -> Iterator[None]:
    """Collect what the block writes, and write it with a header when the block ends. If it fails,
    nothing is written.
    """
    output = config.output_buffer or sys.stdout
    script = OfflineScript(lock_wait=project.limits.lock_wait)
    config.output_buffer = script
    yield
    if text := script.getvalue():
        heads = context.get_context().get_current_heads()
        at = one_line(", ".join(heads)) or "base"
        start = header(command_of(config) or "upgrade", at, project.limits.lock_wait)
        _write(output, start + session_script(project.set_role, project.default_schema) + text)


def header(command: str, at: str, lock_wait: float) -> str:
    """The comment at the top of a script.

    Args:
        command: the name of Alembic's command.
        at: the revisions that the database must have.
        lock_wait: seconds that a statement may wait for a lock; 0 is no limit.
    """
    limit = (
        f"-- A statement that waits for a lock for longer than {lock_wait:g} s fails.\n"
        if lock_wait
        else ""
    )
    return (
        f"-- Written by `alembic {command} --sql` for a database at {at}. While no other process\n"
        "-- migrates, run it with:\n"
        "--     psql --no-psqlrc --set ON_ERROR_STOP=1 --file FILE\n"
        f"{limit}"
        "-- If it fails, the transaction in progress is rolled back, and those before it stay. Delete\n"
        "-- these from the file, and run the rest.\n\n"
    )


class OfflineScript(StringIO):
    """A script in which each transaction limits its waits for locks. A transaction without a statement
    is left out.
    """

    def __init__(self, *, lock_wait: float) -> None:
        super().__init__()
        self._limit = (
            f"SET LOCAL lock_timeout = '{milliseconds(lock_wait)}ms';\n\n" if lock_wait else ""
        )
        self._waiting: list[str] | None = None  # comments after a BEGIN

    def write(self, text: str) -> int:
        """Write a statement, or a comment."""
        kind = text.strip()
        if kind == "BEGIN;":
            self._waiting = []
        elif self._waiting is None:
            super().write(text)
        elif kind.startswith("--") and "\n" not in kind:
            self._waiting.append(text)
        else:
            begin = "" if kind == "COMMIT;" else f"BEGIN;\n\n{self._limit}"
            super().write(begin + "".join(self._waiting) + ("" if kind == "COMMIT;" else text))
            self._waiting = None
        return len(text)


def _write(output: TextIO, text: str) -> None:
    try:
        output.write(text)
        output.flush()
    except BrokenPipeError:
        sys.exit(end_stdout())
