"""`db rebase`: two branches in git that each added revisions become one line again."""

from dataclasses import dataclass

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from ...paths import PROJECT_ROOT, relative
from ..git import git, main_branch
from ..head_file import record_heads
from ..history import require_sound
from ..locations import require_usual_files
from ..revision_files import (
    VERSIONS,
    RevisionFile,
    following,
    heads_of,
    history_of,
    read_revision_files,
    write_text,
)
from ..version_table import require_current_revisions

INSTEAD = (
    "Set down_revision of the first revision of your branch to the other head by hand, or join the "
    "heads: uv run alembic merge heads"
)


@dataclass(frozen=True, slots=True)
class Branch:
    """The revisions of one head that are in no other head's history, oldest first."""

    head: str
    files: list[RevisionFile]


def rebase(config: Config, *, onto: str | None, applied: bool) -> list[str]:
    """Put the branches that are not on the main branch behind the head that is. Returns what was
    done, for people.

    Args:
        config: Alembic's.
        onto: the head to put the others behind; without one, that of the main branch.
        applied: go on where a revision that moves is applied to the database.

    Raises:
        CommandError: it cannot be told which branch is whose, or a revision that would move is
            applied to the database, or Alembic looks for revisions elsewhere; nothing is changed.
    """
    require_usual_files(config, instead=INSTEAD)
    require_sound(ScriptDirectory.from_config(config))
    files = read_revision_files()
    heads = heads_of(files)
    if len(heads) < 2:
        record_heads()
        return ["The history has one head already: nothing to do."]
    base = onto or _head_of_the_main_branch(files, heads)
    if base not in heads:
        raise CommandError(f"--onto {base}: the heads are {', '.join(heads)}.")
    moving = [_branch(files, head, base) for head in heads if head != base]
    if not applied:
        _require_not_applied(moving)
    done = []
    for branch in moving:
        first = branch.files[0]
        write_text(first.path, following(first.path.read_text(encoding="utf-8"), [base]))
        done.append(f"{first.revision} follows {base} now ({relative(first.path)}).")
        base = branch.head
    record_heads()
    return [*done, "Next: uv run alembic upgrade head, and uv run pytest"]


def _head_of_the_main_branch(files: list[RevisionFile], heads: list[str]) -> str:
    main = main_branch()
    if main is None:
        raise CommandError(
            f"The heads are {', '.join(heads)}, and there is no main branch in git that says which "
            "of them is the others'. Name it: uv run db rebase --onto <head>"
        )
    listed = git("ls-tree", "-r", "-z", "--name-only", main, "--", relative(VERSIONS))
    theirs = {PROJECT_ROOT / name for name in listed.split("\0")}
    on_main = [file.revision for file in files if file.path in theirs and file.revision in heads]
    if len(on_main) != 1:
        which = "none of them is" if not on_main else f"{' and '.join(on_main)} are"
        raise CommandError(
            f"The heads are {', '.join(heads)}, and {which} on {main}, so it cannot be told which "
            "one is the others'. Merge or fetch it first, or name it: uv run db rebase --onto <head>"
        )
    return on_main[0]


def _branch(files: list[RevisionFile], head: str, base: str) -> Branch:
    by_id = {file.revision: file for file in files}
    shared = set(history_of(by_id, base))
    own = [name for name in history_of(by_id, head) if name not in shared]
    first = by_id[own[-1]]
    if not first.follows:
        raise CommandError(
            f"{first.revision} begins a history of its own, which has nothing in common with that of "
            f"{base}. If that is meant, use `upgrade heads`; else set its down_revision by hand."
        )
    if any(len(by_id[name].follows) > 1 for name in own):
        raise CommandError(
            f"Between {first.revision} and {head} branches are merged, so the revisions are not one "
            "line that could be moved. Join the heads: uv run alembic merge heads"
        )
    return Branch(head, [by_id[name] for name in reversed(own)])


def _require_not_applied(branches: list[Branch]) -> None:
    """In a database that has them, they would count as applied behind what is not."""
    current = require_current_revisions("uv run db rebase --applied")
    for branch in branches:
        for file in branch.files:
            if file.revision in current:
                before = branch.files[0].follows
                raise CommandError(
                    f"{file.revision} is applied to the database of the settings, which would then "
                    "take revisions for applied that are not. Go back first: uv run alembic "
                    f"downgrade {before[0] if before else 'base'}. Or, if it does not matter "
                    "for this database: uv run db rebase --applied"
                )
