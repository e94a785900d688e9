"""The revisions that are new since a commit, such as those of a pull request."""

from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from alembic_live.history.git import files_in_commit, has_commit, main_branch, try_git
from alembic_live.history.locations import folders_of
from alembic_live.printable import one_line
from alembic_live.project import Project


def base_commit(project: Project, since: str | None = None) -> str | None:
    """The commit that new revisions are compared with. None if every revision is new.

    Args:
        project: the project.
        since: a commit or branch. Default: the main branch.

    Raises:
        CommandError: git has no such commit, or fails.
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


def new_revisions(project: Project, script: ScriptDirectory, base: str | None) -> list[Script]:
    """The revisions that are not in a commit, oldest first."""
    revisions = list(script.walk_revisions())[::-1]
    if base is None:
        return revisions
    old = files_in_commit(project, base, folders_of(script))
    return [revision for revision in revisions if Path(revision.path) not in old]


def _if_shallow(project: Project) -> str:
    is_shallow = try_git(project, "rev-parse", "--is-shallow-repository").strip() == "true"
    return " The clone lacks older commits: git fetch --unshallow" if is_shallow else ""
