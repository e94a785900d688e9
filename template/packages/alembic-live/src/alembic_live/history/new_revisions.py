"""The revisions that are new since a commit, such as those of a pull request."""

from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from alembic_live.history.git import files_in_commit, has_commit, main_branch, try_git
from alembic_live.history.locations import folders_of
from alembic_live.printable import one_line
from alembic_live.project import Project


def commit_before(project: Project, since: str | None) -> str | None:
    """The newest commit that this branch shares with another. None without one: then all is new.

    Args:
        project: the project.
        since: a commit or a branch. Default: the main branch.

    Raises:
        CommandError: there is no such commit, or the branches share none.
    """
    if since and not has_commit(project, since):
        if set(since) != {"0"}:  # GitHub's commit before the first push
            raise CommandError(
                f"--since {one_line(since)}: git has no such commit.{_if_shallow(project)}"
            )
        since = None
    base = since or main_branch(project)
    if base is None:
        return None
    shared = try_git(project, "merge-base", base, "HEAD").strip()
    if not shared:
        raise CommandError(
            f"{one_line(base)} and this branch have no commit in common.{_if_shallow(project)}"
        )
    return shared


def new_since(project: Project, script: ScriptDirectory, commit: str | None) -> list[Script]:
    """The revisions that are not in a commit, oldest first."""
    revisions = list(script.walk_revisions())[::-1]
    if commit is None:
        return revisions
    old = files_in_commit(project, commit, folders_of(script))
    return [revision for revision in revisions if Path(revision.path) not in old]


def heads_before(project: Project, script: ScriptDirectory, commit: str | None) -> tuple[str, ...]:
    """The heads without the revisions that are not in a commit."""
    new = {revision.revision for revision in new_since(project, script, commit)}
    old = [each for each in script.walk_revisions() if each.revision not in new]
    return tuple(sorted(each.revision for each in old if each.nextrev <= new))


def _if_shallow(project: Project) -> str:
    is_shallow = try_git(project, "rev-parse", "--is-shallow-repository").strip() == "true"
    return " The clone lacks older commits: git fetch --unshallow" if is_shallow else ""
