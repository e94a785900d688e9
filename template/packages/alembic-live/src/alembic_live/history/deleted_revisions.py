"""Deleted files of revisions, restored from git."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from alembic_live.history.files import (
    UnreadableRevisionError,
    is_revision_name,
    names_in,
    parse_revision,
)
from alembic_live.history.git import main_branch, names_in_git, root_of, try_git
from alembic_live.history.locations import folders_of
from alembic_live.project import Project
from alembic_live.sql.quoting import word


class DeletedRevision(NamedTuple):
    """A deleted revision, in one version of its file."""

    revision: str
    path: Path
    follows: tuple[str, ...]  # including depends_on
    source: str
    restore: str  # the git command that brings the file back


def find_deleted_revision(project: Project, revision: str) -> DeletedRevision | None:
    """The newest version of a revision's file in git, or None. The index comes first, then the
    history of the checked-out commit, then all other commits.
    """
    return next(iter(versions_of(project, revision)), None)


def versions_of(project: Project, revision: str) -> list[DeletedRevision]:
    """One version for each set of revisions that the file has followed, in the order of
    `find_deleted_revision`. A rebase changes what the file follows.
    """
    newest: dict[tuple[str, ...], DeletedRevision] = {}
    for version in _in_git(project, revision):
        newest.setdefault(version.follows, version)
    return list(newest.values())


def file_on_the_main_branch(project: Project, revision: str) -> tuple[str, str] | None:
    """The main branch and the file of a revision there, or None if it has no such file."""
    main = main_branch(project)
    for name in _files_with(project, revision, main) if main else ():
        name = name.removeprefix(f"{main}:")
        if _parsed(project, revision, name, try_git(project, "show", f"{main}:./{name}")):
            return str(main), name
    return None


def _in_git(project: Project, revision: str) -> Iterator[DeletedRevision]:
    for name in _files_with(project, revision, "--cached"):
        if found := _parsed(project, revision, name, try_git(project, "show", f":./{name}")):
            yield found._replace(restore=f"git checkout -- {word(name)}")
    for which in ((), ("--all", "--reflog")):
        changed = ("--format=", "--name-only", "--no-relative", "-z", f"-S{revision}")
        for path in _log(project, *changed, *which, paths=_folders(project)):
            if not is_revision_name(Path(path).name):
                continue
            name = os.path.relpath(root_of(project) / path, project.folder)
            for commit in _log(
                project, "--format=%H%x00", "--diff-filter=AM", *which, paths=[name]
            ):
                if found := _parsed(
                    project, revision, name, try_git(project, "show", f"{commit}:./{name}")
                ):
                    yield found._replace(restore=f"git checkout {commit[:12]} -- {word(name)}")


def _log(project: Project, *options: str, paths: Sequence[str]) -> list[str]:
    """The output of `git log` about paths, newest first and without duplicates.

    A merge can have changes that none of its parents has: it often includes a rebase of revisions.
    Git shows them with `-m` only, and a setting can limit that to one parent.
    """
    listed = try_git(
        project,
        *("--literal-pathspecs", "-c", "log.diffMerges=separate", "-c", "log.showSignature=false"),
        *("log", "-m", "--full-history", "--topo-order", "--no-renames", "--no-color"),
        *options,
        "--",
        *paths,
    )
    return list(dict.fromkeys(filter(None, listed.replace("\n", "").split("\0"))))


def _files_with(project: Project, revision: str, where: str) -> list[str]:
    """The files of the index or of a branch that contain the id."""
    listed = try_git(
        project, "grep", "--no-color", "-lzF", "-e", revision, where, "--", *_folders(project)
    )
    return [name for name in listed.split("\0") if is_revision_name(Path(name).name)]


def _folders(project: Project) -> list[str]:
    """The folders of revisions in the repository."""
    return names_in_git(project, folders_of(project.script))


def _parsed(project: Project, revision: str, name: str, source: str) -> DeletedRevision | None:
    if "\N{REPLACEMENT CHARACTER}" in source:
        return None  # it is not in UTF-8, so it cannot be restored as it was
    path = Path(os.path.normpath(project.folder / name))
    try:
        file = parse_revision(source, path)
    except UnreadableRevisionError:
        return None
    if file.revision != revision:
        return None
    return DeletedRevision(
        revision, path, file.follows + names_in(source, "depends_on"), source, restore=""
    )
