"""What git knows of the project."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from alembic.util import CommandError

from ..paths import PROJECT_ROOT, relative
from .revision_files import remove_compiled

# Where others' work is, the first of these that there is.
MAIN_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


def git(*arguments: str) -> str:
    """What a git command prints.

    Raises:
        CommandError: it fails; the text is git's.
    """
    done = _run(*arguments)
    if done is None or done.returncode != 0:
        reason = done.stderr.strip() if done else "git is not installed"
        raise CommandError(f"git {' '.join(arguments)}: {reason}")
    return done.stdout


def look(*arguments: str) -> str:
    """The same; nothing where it fails or there is no git."""
    done = _run(*arguments)
    return done.stdout if done and done.returncode == 0 else ""


def has_as_it_is(path: Path) -> bool:
    """Whether the commit that is checked out has a file with what is in it now."""
    kept = path in tracked(path.parent)
    return kept and not look("status", "--porcelain", "--", relative(path))


def knows(revision: str) -> bool:
    """Whether there is a repository with such a commit in it."""
    done = _run("rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
    return done is not None and done.returncode == 0


def tracked(folder: Path) -> set[Path]:
    """The files of a folder that git keeps; none without a repository."""
    done = _run("ls-files", "-z", "--", str(folder))
    if done is None or done.returncode != 0:
        return set()
    return {PROJECT_ROOT / name for name in done.stdout.split("\0") if name}


def remove(paths: Sequence[Path]) -> None:
    """Remove files, through git where it keeps them, with what Python has compiled of them."""
    known = {file for folder in {path.parent for path in paths} for file in tracked(folder)}
    kept = [str(path) for path in paths if path.exists() and path in known]
    if kept:
        look("rm", "--quiet", "--force", "--", *kept)
    for path in paths:
        path.unlink(missing_ok=True)
        remove_compiled(path)


def main_branch() -> str | None:
    """The branch that others build upon; None without git, or where there is none yet."""
    return next((name for name in MAIN_BRANCHES if knows(name)), None)


def _run(*arguments: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            ["git", "-C", PROJECT_ROOT, *arguments], check=False, capture_output=True, text=True
        )
    except FileNotFoundError:
        return None
