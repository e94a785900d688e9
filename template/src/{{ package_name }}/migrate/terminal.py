"""Questions to the person at the terminal, where there is one."""

import sys

from alembic.util import CommandError

from ..printable import printable


def is_on_a_terminal() -> bool:
    """Whether a person can be asked: nothing is redirected."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def says_yes(question: str) -> bool:
    """Ask, and take everything but a clear yes for a no."""
    return ask(f"{question} [y/N]").lower() in ("y", "yes")


def ask(question: str) -> str:
    """What the person answers; empty where there is no more to read."""
    print(f"{printable(question)} ", end="", file=sys.stderr, flush=True)
    try:
        return input().strip()
    except EOFError:
        return ""


def require_consent(what: str, *, yes: bool) -> None:
    """Ask before something that cannot easily be undone. `yes` was said on the command line.

    Raises:
        CommandError: the person says no, or there is nobody to ask.
    """
    if yes:
        return
    if not is_on_a_terminal():
        raise CommandError(f"{what} Nothing was done: there is no terminal to ask on. Add --yes.")
    if not says_yes(f"{what} Go on?"):
        raise CommandError("Nothing was done.")


def tell(text: str) -> None:
    """Say what goes on, on stderr: stdout is for data."""
    print(printable(text), file=sys.stderr)


def as_data(text: str) -> str:
    """Data for stdout: whole for a file or another program, and what a person may see on a terminal."""
    return printable(text) if sys.stdout.isatty() else text
