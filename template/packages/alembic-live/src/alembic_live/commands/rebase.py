"""`db rebase`: two branches in git that each added revisions become one line again."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass

from alembic.util import CommandError

from alembic_live.history.files import (
    RevisionFile,
    heads_of,
    history_of,
    read_revision_files,
    with_down_revision,
    write_text,
)
from alembic_live.history.git import files_in_commit, main_branch
from alembic_live.history.graph import require_sound
from alembic_live.history.head_file import record_heads
from alembic_live.history.locations import require_one_folder
from alembic_live.project import Project
from alembic_live.runtime.version_table import require_current_revisions
from alembic_live.terminal import tell

INSTEAD = (
    "Set down_revision in the first revision of your branch to the other head by hand, or merge the "
    "heads: uv run alembic merge heads"
)


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
            database, or Alembic reads revisions from several folders. Nothing is changed.
    """
    require_one_folder(project, instead=INSTEAD)
    require_sound(project.script)
    files = read_revision_files(project.versions)
    heads = heads_of(files)
    if len(heads) < 2:
        record_heads(project)
        return ["The history already has one head. Nothing to do."]
    base = onto or _head_on_main_branch(project, files, heads)
    if base not in heads:
        raise CommandError(f"--onto {base}: the heads are {', '.join(heads)}.")
    moving = [_branch(files, head, base) for head in heads if head != base]
    if not applied:
        _require_not_applied(project, moving)
    report = []
    for branch in moving:
        first = branch.files[0]
        source = with_down_revision(first.path.read_text(encoding="utf-8"), [base])
        write_text(first.path, source)
        report.append(f"{first.revision} now follows {base} ({project.relative(first.path)}).")
        base = branch.head
    record_heads(project)
    return [*report, "Next: uv run alembic upgrade head, and uv run pytest"]


def _head_on_main_branch(project: Project, files: list[RevisionFile], heads: list[str]) -> str:
    main = main_branch(project)
    if main is None:
        raise CommandError(
            f"The heads are {', '.join(heads)}, and git has no main branch that tells which of them "
            "comes first. Name it: uv run db rebase --onto <head>"
        )
    published = files_in_commit(project, main, project.versions)
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
    if not first.follows:
        raise CommandError(
            f"{first.revision} has no down_revision, so its history has nothing in common with that "
            f"of {base}. If that is intended, use `upgrade heads`. Otherwise set its down_revision "
            "by hand."
        )
    if any(len(by_id[name].follows) > 1 for name in own):
        raise CommandError(
            f"There is a merge between {first.revision} and {head}, so their revisions are not one "
            "line that can be moved. Merge the heads: uv run alembic merge heads"
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
