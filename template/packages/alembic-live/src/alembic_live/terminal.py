"""Messages and questions for the user of a terminal."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from functools import partial
from typing import Any, TextIO

from alembic_live import interruption
from alembic_live.printable import as_json_line, as_typed, one_line, printable

CLEAR = "\r\x1b[K"  # to the start of the line, and erase it

_quiet = False
_is_json = False
_may_show_progress = False
_has_progress = False  # whether the last line is a line of progress
_data: TextIO | None = None  # stdout, inside of `only_data_on_stdout`


def is_on_a_terminal() -> bool:
    """Whether the user can be asked: stdin and stderr are terminals."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def says_yes(question: str) -> bool:
    """Ask a yes/no question. Every answer except yes counts as no."""
    return ask(f"{question} [y/N]").lower() in ("y", "yes")


def ask(question: str) -> str:
    """The answer to a question; empty at the end of the input."""
    print(f"{printable(as_typed(question))} ", end="", file=sys.stderr, flush=True)
    try:
        return input().strip()
    except EOFError:
        return ""


def require_consent(what: str, *, yes: bool) -> None:
    """Ask before an action that is hard to undo. `yes` is the option --yes.

    Raises:
        CommandError: the answer is no, or there is no terminal.
    """
    if yes:
        return
    from alembic.util import CommandError  # slow to import, and `tell` does not need it

    if not is_on_a_terminal():
        raise CommandError(
            f"{what} Nothing was done: there is no terminal for the question. Add --yes."
        )
    if not says_yes(f"{what} Go on?"):
        raise CommandError("Nothing was done.")


def tell(text: str) -> None:
    """Print a message for people, on stderr: stdout is for data."""
    if not _quiet:
        clear_progress()
        print(_message("INFO", text), file=sys.stderr)


def tell_failure(text: str, details: Mapping[str, Any]) -> None:
    """Print an error on stderr.

    Args:
        text: a sentence.
        details: for JSON.
    """
    clear_progress()
    words = text if _is_json else f"FAILED: {text}"
    print(_message("ERROR", words, details), file=sys.stderr)


def writes_json() -> bool:
    """Whether messages are JSON."""
    return _is_json


def write_json() -> None:
    """Print messages as JSON, as `JsonFormatter` does with the entries of the log."""
    global _is_json
    _is_json = True
    interruption.format_text = partial(_message, "WARNING", details={"event": "stopped"})


def _message(level: str, text: str, details: Mapping[str, Any] = {}) -> str:
    text = printable(as_typed(text))
    if not _is_json:
        return text
    entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level}
    return as_json_line(entry | {"logger": "alembic_live", "message": text} | dict(details))


def show(text: str) -> None:
    """Print what the user asked for, on stdout."""
    print(printable(as_typed(text)))


@contextmanager
def only_data_on_stdout() -> Iterator[None]:
    """Reserve stdout for `show_data`. What the project prints or logs there goes to stderr."""
    global _data
    _data = sys.stdout
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _data = None


def show_data(text: str) -> None:
    """Print data for a program on stdout, unchanged."""
    print(text, file=_data or sys.stdout)


def be_quiet() -> None:
    """Print no more messages."""
    global _quiet
    _quiet = True


def allow_progress() -> None:
    """Let this program show a line of progress, if stderr is a terminal."""
    global _may_show_progress
    _may_show_progress = True
    interruption.format_text = lambda text: f"{CLEAR}{text}" if _has_progress else text


def shows_progress() -> bool:
    """Whether `show_progress` shows anything."""
    return _may_show_progress and not _quiet and sys.stderr.isatty()


def show_progress(text: str) -> None:
    """Show a line of progress on the terminal, instead of the one before. A part of a longer line is
    left out.
    """
    global _has_progress
    if shows_progress():
        _has_progress = True
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"{CLEAR}{one_line(text)[:width]}")
        sys.stderr.flush()


def clear_progress() -> None:
    """Erase the line of progress, so that another text can take its place."""
    global _has_progress
    if _has_progress:
        _has_progress = False
        sys.stderr.write(CLEAR)
        sys.stderr.flush()


def bar(share: float, width: int = 20) -> str:
    """A bar that shows a share from 0 to 1."""
    return f"[{'=' * round(share * width):<{width}}]"


def end_stdout() -> int:
    """Write nothing more to stdout, whose reader has ended, and return the exit code of a program that
    a closed pipe ends. Without this, Python complains at its end.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


def as_data(text: str) -> str:
    """Data for stdout: unchanged for a file or another program, escaped for a terminal."""
    return printable(text) if sys.stdout.isatty() else text
