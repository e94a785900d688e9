"""The SQL of a revision, and where in its file each statement comes from."""

import sys
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from alembic import command
from alembic.script import Script

from .. import operations
from ..command import run_command

OPERATIONS = str(Path(operations.__file__).parent)


class Statement(NamedTuple):
    """One statement. Its line is None where it is Alembic's own, as COMMIT is."""

    sql: str
    line: int | None
    is_safe: bool  # of an operation of `migrate.operations`


class RevisionSQL(NamedTuple):
    """All statements; with a failure, those before it."""

    statements: list[Statement]
    failure: str | None


def sql_of(revision: Script, *, down: bool = False) -> RevisionSQL:
    """What an upgrade to the revision runs, or a downgrade from it; nothing is executed. A revision
    that reads the database has no SQL from there on, and the failure says so.
    """
    written = _Listening(revision.path)
    here, below = revision.revision, revision.down_revision
    before = (below if isinstance(below, str) else below[0]) if below else "base"
    start, end = (here, before) if down else (before, here)
    try:
        run_command(
            command.downgrade if down else command.upgrade,
            f"{start}:{end}",
            sql=True,
            output=written,
        )
    except Exception as error:
        return RevisionSQL(written.statements, f"{type(error).__name__}: {error}")
    return RevisionSQL(written.statements, None)


class _Listening(StringIO):
    """A file that notices which line of the revision makes Alembic write into it."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.statements: list[Statement] = []

    def write(self, text: str) -> int:
        line, is_safe = None, False
        frame: FrameType | None = sys._getframe(1)
        while frame and line is None:
            if frame.f_code.co_filename == self.path:
                line = frame.f_lineno
            is_safe |= frame.f_code.co_filename.startswith(OPERATIONS)
            frame = frame.f_back
        if text.strip() and not text.startswith("--"):
            self.statements.append(Statement(text.strip(), line, is_safe and line is not None))
        return len(text)
