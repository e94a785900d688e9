"""The SQL of a revision, and the line of its file that each statement comes from."""

import sys
import traceback
from collections.abc import Collection
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory

from alembic_live import operations
from alembic_live.history.graph import names_of
from alembic_live.internals.alembic import altered_type, step_of
from alembic_live.operations.sql import run_sql
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.program import run_command
from alembic_live.sql.lexer import tokens
from alembic_live.sql.redaction import redacted_message

OPERATIONS = str(Path(operations.__file__).parent)


class RevisionStatement(NamedTuple):
    """One statement. Its line is None if Alembic itself emits it, such as COMMIT."""

    sql: str
    line: int | None
    is_safe: bool  # emitted by an operation of alembic_live.operations
    types: tuple[str | None, str] | None = None  # before and after, if it changes a type


class RevisionSQL(NamedTuple):
    """The statements of a revision; if it fails, those before the failure."""

    statements: list[RevisionStatement]
    failure: str | None
    mistake: int | None = None  # the line of a failure that no database would prevent


def render_revision_sql(
    project: Project, revision: Script, *, down: bool = False, script: ScriptDirectory | None = None
) -> RevisionSQL:
    """The SQL of a revision's upgrade or downgrade. Nothing is executed, so a revision that reads the
    database fails there, and the SQL ends.

    Args:
        revision: the revision.
        down: render the downgrade.
        script: the history, if it is already loaded.
    """
    recorder = _Recorder(revision.path)
    try:
        run_command(project, _write, revision.revision, down, script, output=recorder)
    except Exception as error:
        reason = one_line(_redacted_apart_from(revision.path, str(error)))
        line = _line_of(error, revision.path) if _is_mistake(error) else None
        return RevisionSQL(recorder.statements, f"{type(error).__name__}: {reason}", line)
    return RevisionSQL(recorder.statements, None)


def _is_mistake(error: BaseException) -> bool:
    """Whether the code is wrong. Without a database, a connection and its results are None."""
    if isinstance(error, AttributeError | TypeError):
        return "NoneType" not in str(error)
    return isinstance(error, NameError | ImportError | SyntaxError)


def _line_of(error: BaseException, path: str) -> int:
    """The line of the revision that an error comes from."""
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == path]
    return lines[-1] if lines else 1


def _redacted_apart_from(path: str, message: str) -> str:
    """The message without secrets. The path of a revision may contain a word such as `tokens`."""
    place = "the_file_of_the_revision"
    return redacted_message(message.replace(path, place)).replace(place, path)


def _write(config: Config, revision: str, down: bool, script: ScriptDirectory | None) -> None:
    """Do what `--sql` does, for one revision. Merge points work too."""
    script = script or ScriptDirectory.from_config(config)
    step = step_of(script, revision, is_upgrade=not down)
    before = (revision,) if down else names_of(script.get_revision(revision).down_revision)
    with EnvironmentContext(
        config,
        script,
        fn=lambda _heads, _context: [step],
        as_sql=True,
        starting_rev=list(before) or "base",
        destination_rev=revision,
    ):
        script.run_env()


class Origin(NamedTuple):
    """Where a statement comes from.

    Attributes:
        line: of the revision's file; None if no revision is in progress.
        is_safe: whether an operation of `alembic_live.operations` emits it.
        frames: those from the statement up to the revision.
    """

    line: int | None
    is_safe: bool
    frames: list[FrameType]


def origin_of(frame: FrameType | None, files: Collection[str]) -> Origin:
    """Where the statement comes from that a frame emits.

    Args:
        frame: the innermost one.
        files: the files of revisions.
    """
    frames, is_safe = [], False
    while frame:
        frames.append(frame)
        code = frame.f_code
        if code.co_filename in files:
            return Origin(frame.f_lineno, is_safe, frames)
        is_verbatim = code is run_sql.__code__  # it runs any SQL
        is_safe |= code.co_filename.startswith(OPERATIONS) and not is_verbatim
        frame = frame.f_back
    return Origin(None, False, frames)


class _Recorder(StringIO):
    """An output buffer that records the line of the revision that emits each statement."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.statements: list[RevisionStatement] = []

    def write(self, text: str) -> int:
        line, is_safe, frames = origin_of(sys._getframe(1), (self.path,))
        types = next(filter(None, map(altered_type, frames)), None)
        if not all(token.is_blank for token in tokens(text)):  # Alembic writes comments too
            self.statements.append(RevisionStatement(text.strip(), line, is_safe, types))
        return len(text)
