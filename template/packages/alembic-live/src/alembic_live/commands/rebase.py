"""`db rebase`: two branches in git that each added revisions become one line again."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory
from alembic.util import CommandError

from alembic_live.history.files import (
    RevisionFile,
    history_of,
    read_source,
    with_down_revision,
    write_text,
)
from alembic_live.history.git import files_in_commit, main_branch, try_git
from alembic_live.history.graph import require_sound, revision_files
from alembic_live.history.head_file import record_heads
from alembic_live.history.heads import diverged_heads, newest
from alembic_live.history.locations import folders_of, require_sources
from alembic_live.project import Project
from alembic_live.runtime.version_table import require_current_revisions
from alembic_live.sql.quoting import word
from alembic_live.terminal import tell


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--onto",
        metavar="HEAD",
        help="The head to move the other branches after; defaults to the main branch's.",
    )
    parser.add_argument(
        "--applied", action="store_true", help="Continue if the revisions are applied."
    )


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    tell("\n".join(rebase(project, onto=arguments.onto, applied=arguments.applied)))
    return 0


@dataclass(frozen=True, slots=True)
class Branch:
    """The revisions that only one head has in its history, oldest first."""

    head: str
    files: list[RevisionFile]


def rebase(project: Project, *, onto: str | None, applied: bool) -> list[str]:
    """Move the branches that are not on the main branch after the head that is. Returns a report.

    Args:
        onto: the head to move the others after; None is the main branch's.
        applied: continue if the database has revisions applied that move.

    Raises:
        CommandError: the main branch's head is unknown, a revision that moves is applied to the
            database, or a revision has no source. Nothing is changed.
    """
    require_sources(project)
    script = project.script
    require_sound(script)
    diverged = diverged_heads(script)
    if onto and len(script.get_heads()) > 1:
        diverged = [_with_head(script, diverged, onto)]
    if not diverged:
        settled = _recorded(project)
        nothing = "The history already has one head"
        if len(script.get_heads()) > 1:
            nothing = (
                "The heads stay apart: their branches differ in their labels or first revisions"
            )
        return [f"{nothing}. Nothing to do.", *_how_to_settle(project, settled)]
    files = revision_files(project)
    moves = []
    for heads in diverged:
        base = onto or _head_on_main_branch(project, files, heads)
        for branch in [_branch(files, head, base) for head in heads if head != base]:
            moves.append((branch, base))
            base = branch.head
    if not applied:
        _require_not_applied(project, [branch for branch, _ in moves])
    report = []
    for branch, base in moves:
        first = branch.files[0]
        source = with_down_revision(read_source(first.path), [base])
        write_text(first.path, source)
        report.append(f"{first.revision} now follows {base} ({project.relative(first.path)}).")
    changed = [branch.files[0].path for branch, _ in moves] + _recorded(project)
    return [
        *report,
        *_how_to_settle(project, changed),
        f"Next: uv run alembic upgrade {newest(project.script)}, and uv run pytest",
    ]


def _with_head(script: ScriptDirectory, diverged: list[list[str]], head: str) -> list[str]:
    """The diverged heads that one belongs to.

    Raises:
        CommandError: there is no such head, or no other has diverged from it.
    """
    if head not in script.get_heads():
        raise CommandError(f"--onto {head}: the heads are {', '.join(script.get_heads())}.")
    for heads in diverged:
        if head in heads:
            return heads
    raise CommandError(f"--onto {head}: no other head has diverged from it.")


def _recorded(project: Project) -> list[Path]:
    """Write head.txt if it differs. Returns its path if it did, or if git has a conflict in it."""
    path = project.head_file
    before = path.read_bytes() if path.exists() else None
    record_heads(project)
    if not path.exists():
        return []
    in_conflict = try_git(project, "ls-files", "--unmerged", "--", project.relative(path))
    return [path] if in_conflict or path.read_bytes() != before else []


def _how_to_settle(project: Project, changed: list[Path]) -> list[str]:
    """How to tell git about changed files, if it has a repository. That ends a conflict in them."""
    if not changed or not try_git(project, "rev-parse", "--git-dir"):
        return []
    return [f"To tell git: git add -- {' '.join(word(project.relative(path)) for path in changed)}"]


def _head_on_main_branch(project: Project, files: list[RevisionFile], heads: list[str]) -> str:
    main = main_branch(project)
    if main is None:
        raise CommandError(
            f"The heads are {', '.join(heads)}, and git has no main branch that tells which of them "
            "comes first. Name it: uv run db rebase --onto <head>"
        )
    published = files_in_commit(project, main, folders_of(project.script))
    on_main = [file.revision for file in files if file.path in published and file.revision in heads]
    if len(on_main) != 1:
        which = "none of them is" if not on_main else f"{' and '.join(on_main)} are"
        raise CommandError(
            f"The heads are {', '.join(heads)}, and {which} on {main}, so it is unclear which one "
            "comes first. Merge or fetch the main branch, or name the head: uv run db rebase --onto "
            "<head>"
        )
    return on_main[0]


def _branch(files: list[RevisionFile], head: str, base: str) -> Branch:
    by_id = {file.revision: file for file in files}
    shared = set(history_of(by_id, base))
    own = [name for name in history_of(by_id, head) if name not in shared]
    first = by_id[own[-1]]
    if any(len(by_id[name].follows) > 1 for name in own):
        raise CommandError(
            f"There is a merge between {first.revision} and {head}, so their revisions are not one "
            "line that can be moved. Merge the heads: uv run alembic merge "
            f"{base} {head}"
        )
    return Branch(head, [by_id[name] for name in reversed(own)])


def _require_not_applied(project: Project, branches: list[Branch]) -> None:
    """A database that has a moved revision would count the revisions before it as applied."""
    current = require_current_revisions(project, "uv run db rebase --applied")
    for branch in branches:
        for file in branch.files:
            if file.revision in current:
                before = branch.files[0].follows
                raise CommandError(
                    f"{file.revision} is applied to the project's database. After the move, Alembic "
                    "would skip the revisions before it there. Downgrade first: uv run alembic "
                    f"downgrade {before[0] if before else 'base'}. If this database does not matter: "
                    "uv run db rebase --applied"
                )
