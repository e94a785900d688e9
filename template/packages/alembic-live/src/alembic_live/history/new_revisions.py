"""The revisions that are new since a commit, such as those of a pull request."""

from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from alembic_live.history.git import files_in_commit, git, has_commit, main_branch
from alembic_live.history.locations import folders_of
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
            raise CommandError(f"--since {since}: git has no such commit.")
        since = None
    base = since or main_branch(project)
    return git(project, "merge-base", base, "HEAD").strip() if base else None


def new_revisions(project: Project, script: ScriptDirectory, base: str | None) -> list[Script]:
    """The revisions that are not in a commit, oldest first."""
    revisions = list(script.walk_revisions())[::-1]
    if base is None:
        return revisions
    old = files_in_commit(project, base, folders_of(script))
    return [revision for revision in revisions if Path(revision.path) not in old]
