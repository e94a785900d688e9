"""Findings in the history of revisions: several heads, and changes to revisions on the main branch."""

import re
from collections.abc import Iterator
from pathlib import Path

from alembic.script import ScriptDirectory

from alembic_live.commands.lint.findings import Finding
from alembic_live.commands.lint.source import same_code
from alembic_live.history.files import is_revision_name, read_source
from alembic_live.history.git import git, names_in_git, root_of
from alembic_live.history.graph import replaced_by
from alembic_live.history.head_file import problem_with_head_file
from alembic_live.history.heads import diverged_heads, problem_with_heads
from alembic_live.history.locations import folders_of
from alembic_live.project import Project
from alembic_live.sql.quoting import word

REPLACES = re.compile(r"^replaces\b[^=]*=\s*\(([^)]*)\)", re.MULTILINE)  # what db squash writes


def check_heads(project: Project, script: ScriptDirectory) -> Iterator[Finding]:
    """Check that no heads have diverged, that `db migrate` can apply them, and that head.txt names them."""
    if problem := problem_with_heads(script, project.target):
        first = (diverged_heads(script) or [script.get_heads()])[0][0]
        yield Finding(Path(script.get_revision(first).path), 1, "several-heads", problem)
    elif problem := problem_with_head_file(project):
        yield Finding(project.head_file, 1, "head-file", problem)


def check_old_revisions(project: Project, script: ScriptDirectory, base: str) -> Iterator[Finding]:
    """Check that revisions in a commit of the main branch are unchanged. Databases that have applied
    them do not run them again.
    """
    changes = git(
        project,
        "diff",
        "--name-status",
        "--no-renames",
        "--no-relative",
        "-z",
        base,
        "--",
        *names_in_git(project, folders_of(script)),
    ).split("\0")
    squashed = replaced_by(script)
    root = root_of(project)
    for status, name in zip(changes[::2], changes[1::2], strict=False):
        path = root / name
        if not is_revision_name(path.name) or status not in "MD":
            continue
        before = git(project, "show", f"{base}:{name}")
        if status == "M":
            after = read_source(path)
            if same_code(before, after) or _replaced(before) != _replaced(after):
                continue
            yield Finding(
                path,
                1,
                "edited-revision",
                "This revision is on the main branch. Databases that have applied it do not get the "
                "change.",
                "restore the file, and make the change in a new revision",
            )
        elif status == "D" and not squashed.keys() & set(
            re.findall(r'"([^"]+)"', _revision_line(before))
        ):
            yield Finding(
                path,
                1,
                "deleted-revision",
                "This revision was on the main branch. Databases that have applied it can no longer "
                "be migrated.",
                f"git checkout {base[:12]} -- {word(project.relative(path))}, and undo it in a new "
                "revision",
            )


def _replaced(source: str) -> list[str]:
    """The ids of the revisions that were squashed into this one."""
    return [name for names in REPLACES.findall(source) for name in re.findall(r'"([^"]+)"', names)]


def _revision_line(source: str) -> str:
    return "".join(re.findall(r"^revision\b.*$", source, re.MULTILINE))
