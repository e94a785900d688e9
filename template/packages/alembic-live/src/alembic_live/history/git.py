"""Queries and changes in the project's git repository."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from alembic.util import CommandError

from alembic_live.history.files import remove_compiled
from alembic_live.project import Project

# The first one that exists is the main branch.
MAIN_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


def folder_in_repository(project: Project) -> str:
    """The project's folder in the repository, with a slash at its end. Empty for the repository's
    own folder, or without a repository.
    """
    done = _run(project, "rev-parse", "--show-prefix")
    return done.stdout.strip("\n") if done and done.returncode == 0 else ""


def git(project: Project, *arguments: str) -> str:
    """The output of a git command.

    Raises:
        CommandError: the command fails; the text is git's.
    """
    done = _run(project, *arguments)
    if done is None or done.returncode != 0:
        reason = done.stderr.strip() if done else "git is not installed"
        raise CommandError(f"git {' '.join(arguments)}: {reason}")
    return done.stdout


def try_git(project: Project, *arguments: str) -> str:
    """The output of a git command. Empty if it fails or git is not installed."""
    done = _run(project, *arguments)
    return done.stdout if done and done.returncode == 0 else ""


def is_committed(project: Project, path: Path) -> bool:
    """Whether git tracks a file, and the file has no uncommitted changes."""
    kept = path in tracked(project, path.parent)
    return kept and not try_git(project, "status", "--porcelain", "--", project.relative(path))


def has_commit(project: Project, revision: str) -> bool:
    """Whether the repository has a commit of this name."""
    done = _run(project, "rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
    return done is not None and done.returncode == 0


def tracked(project: Project, *folders: Path) -> set[Path]:
    """The files of folders that git tracks. Empty without a repository, and for a folder outside."""
    listed = (try_git(project, "ls-files", "-z", "--", str(folder)) for folder in folders)
    return {_path(project, name) for names in listed for name in names.split("\0") if name}


def files_in_commit(project: Project, commit: str, folders: Sequence[Path]) -> set[Path]:
    """The files that folders have in a commit.

    Raises:
        CommandError: git fails; the text is git's.
    """
    names = names_in_git(project, folders)
    listed = git(project, "ls-tree", "-r", "-z", "--name-only", commit, "--", *names)
    return {_path(project, name) for name in listed.split("\0")} if names else set()


def names_in_git(project: Project, folders: Sequence[Path]) -> list[str]:
    """The names of folders for git, which refuses to look outside of its repository."""
    root = root_of(project)
    return [project.relative(folder) for folder in folders if folder.is_relative_to(root)]


def root_of(project: Project) -> Path:
    """The folder of the repository. Without one it is the project's."""
    return Path(try_git(project, "rev-parse", "--show-toplevel").rstrip("\n") or project.folder)


def remove(project: Project, paths: Sequence[Path]) -> None:
    """Remove files and their compiled forms, through git if it tracks them."""
    known = {
        file for folder in {path.parent for path in paths} for file in tracked(project, folder)
    }
    kept = [str(path) for path in paths if path.exists() and path in known]
    if kept:
        try_git(project, "rm", "--quiet", "--force", "--", *kept)
    for path in paths:
        path.unlink(missing_ok=True)
        remove_compiled(path)


def main_branch(project: Project) -> str | None:
    """The main branch. None without git, or if there is no such branch yet."""
    return next((name for name in MAIN_BRANCHES if has_commit(project, name)), None)


def _path(project: Project, name: str) -> Path:
    """The path of a file that git names from the project's folder. It may begin with `../`."""
    return Path(os.path.normpath(project.folder / name))


def _run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            ["git", "-C", project.folder, *arguments],
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError:
        return None
