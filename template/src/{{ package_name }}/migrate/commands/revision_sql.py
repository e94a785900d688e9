"""The SQL of a revision, and where in its file each statement comes from."""

import sys
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import Script, ScriptDirectory

from ...printable import one_line
from .. import operations
from ..command import run_command
from ..operations.outside import drop_unasked
from ..redaction import redacted_message

OPERATIONS = str(Path(operations.__file__).parent)


class Statement(NamedTuple):
    """One statement. Its line is None where it is Alembic's own, as COMMIT is."""

    sql: str
    line: int | None
    is_safe: bool  # of an operation of `migrate.operations`
    is_unasked: bool = False  # of one that, online, finds out first that there is nothing to drop


class RevisionSQL(NamedTuple):
    """All statements; with a failure, those before it."""

    statements: list[Statement]
    failure: str | None


def sql_of(
    revision: Script, *, down: bool = False, script: ScriptDirectory | None = None
) -> RevisionSQL:
    """What an upgrade to the revision runs, or a downgrade from it; nothing is executed. A revision
    that reads the database has no SQL from there on, and the failure says so.

    Args:
        revision: the one.
        down: whether it is the downgrade.
        script: the history that it is of, where it is loaded already.
    """
    written = _Listening(revision.path)
    try:
        run_command(_write, revision.revision, down, script, output=written)
    except Exception as error:
        reason = one_line(redacted_message(str(error)))
        return RevisionSQL(written.statements, f"{type(error).__name__}: {reason}")
    return RevisionSQL(written.statements, None)


def _write(config: Config, revision: str, down: bool, script: ScriptDirectory | None) -> None:
    """Alembic's `--sql` for one revision, also for one that joins branches."""
    script = script or ScriptDirectory.from_config(config)
    step = (MigrationStep.downgrade_from_script if down else MigrationStep.upgrade_from_script)(
        script.revision_map, script.get_revision(revision)
    )
    with EnvironmentContext(
        config,
        script,
        fn=lambda _heads, _context: [step],
        as_sql=True,
        starting_rev=list(step.from_revisions_no_deps) or "base",
        destination_rev=revision,
    ):
        script.run_env()


class _Listening(StringIO):
    """A file that notices which line of the revision makes Alembic write into it."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.statements: list[Statement] = []

    def write(self, text: str) -> int:
        line, is_safe, is_unasked = None, False, False
        frame: FrameType | None = sys._getframe(1)
        while frame and line is None:
            if frame.f_code.co_filename == self.path:
                line = frame.f_lineno
            is_safe |= frame.f_code.co_filename.startswith(OPERATIONS)
            is_unasked |= frame.f_code is drop_unasked.__code__
            frame = frame.f_back
        if text.strip() and not text.startswith("--"):
            is_safe &= line is not None
            self.statements.append(Statement(text.strip(), line, is_safe, is_unasked))
        return len(text)
