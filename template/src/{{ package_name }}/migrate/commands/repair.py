"""Repairs the version table of a database that is at a revision whose file is gone."""

from collections.abc import Sequence

from alembic.util import CommandError

from ...config import settings
from ...paths import relative
from ...printable import one_line
from ..head_file import record_heads
from ..lost_revisions import LostRevision, file_on_the_main_branch, find_lost_revision
from ..quoting import word
from ..revision_files import RevisionFile, names_in, newest_of, read_revision_file, write_text
from ..terminal import ask, is_on_a_terminal, require_consent, tell
from ..version_table import replace_revisions
from .drift import differences_to_history
from .removal import take_out


def repair(
    name: str,
    files: Sequence[RevisionFile],
    current: Sequence[str],
    *,
    to: str | None,
    yes: bool,
    published: bool,
    downgrade: bool,
) -> list[str]:
    """Put the database of the settings to the revisions before those that it is at and no file has.
    Nothing else in it is changed. Returns what was done, for people.

    Args:
        name: of a revision that the database is at and no file has.
        files: the revisions that there are.
        current: those that the database is at.
        to: the revision to put it to; without one, that which git, or a compiled file, says.
        yes: do not ask.
        published: also where the main branch has the file.
        downgrade: bring the file back from git, and downgrade properly.

    Raises:
        CommandError: it cannot be told which revision came before, or somebody says no.
    """
    _require_not_squashed(name, files)
    if not published:
        _require_unpublished(name)
    lost = find_lost_revision(name)
    if downgrade:
        return _bring_back_and_downgrade(name, lost, files, yes=yes)
    by_id = {file.revision: file for file in files}
    known = [revision for revision in current if revision in by_id]
    gone = [revision for revision in current if revision not in by_id]
    before = [_named(to, files)] if to else [r for g in gone for r in _before(g, by_id, files)]
    new = newest_of(by_id, [*known, *filter(None, before)])
    address = settings.migration_address
    shown = ", ".join(new) or "base"
    found = differences_to_history(address, *new, name=f"revision {shown}")
    for difference in found:
        tell(str(difference))
    was = f"{one_line(', '.join(gone))}, which no file has. Before {'it' if len(gone) == 1 else 'them'} was {shown}"
    what = f"The {address} is at {was}"
    if not found:
        what += ", and the schema is what that says. It would be put there."
    else:
        what += (
            f", from which the schema differs as shown. It would be put to {shown}, and what differs "
            "stays."
        )
        if lost and lost.restore:
            what += f" To downgrade instead: uv run db remove {word(name)} --downgrade."
    require_consent(what, yes=yes)
    record_heads()
    replace_revisions(current, new)
    lines = [f"The database is at {shown} now, and was at {one_line(', '.join(current))} before."]
    if found:
        lines.append("What differs is still in it: uv run db drift")
    return [*lines, _undo(lost, current)]


def _require_not_squashed(name: str, files: Sequence[RevisionFile]) -> None:
    for file in files:
        if name in names_in(file.path.read_text(encoding="utf-8"), "replaces"):
            raise CommandError(
                f"{one_line(name)} was squashed into {file.revision}, so it is not lost. Bring the database there "
                "with the version of the code from before the squash."
            )


def _require_unpublished(name: str) -> None:
    found = file_on_the_main_branch(name)
    if found:
        main, path = found
        raise CommandError(
            f"{one_line(name)} is on {main}, so the database is rather ahead of this code than broken. "
            f"Merge {main}, or bring the file back: git checkout {word(main)} -- {word(path)}. If it is "
            f"to go nevertheless: uv run db remove {word(name)} --published"
        )


def _bring_back_and_downgrade(
    name: str, lost: LostRevision | None, files: Sequence[RevisionFile], *, yes: bool
) -> list[str]:
    if not lost or not lost.source:
        raise CommandError(
            f"git does not have the file of {one_line(name)}, so it cannot be downgraded."
        )
    missing = set(lost.follows) - {file.revision for file in files}
    if missing:
        raise CommandError(
            f"{one_line(name)} followed {', '.join(missing)}, which no file has either. Bring both back: "
            f"{lost.restore}"
        )
    write_text(lost.path, lost.source)
    tell(f"{relative(lost.path)} is back, as git has it.")
    file = read_revision_file(lost.path)
    return take_out(
        file, [*files, file], yes=yes, published=True, offline=False, restored=lost.restore
    )


def _before(name: str, by_id: dict[str, RevisionFile], files: Sequence[RevisionFile]) -> list[str]:
    """The newest revisions before one that have files."""
    found, waiting, seen = [], [name], set()
    while waiting:
        one = waiting.pop(0)
        if one in by_id:
            found.append(one)
        elif one not in seen:
            seen.add(one)
            _require_not_squashed(one, files)
            lost = find_lost_revision(one)
            if lost is None:
                found.append(_asked(one, files))
            else:
                waiting += lost.follows
    return [revision for revision in found if revision]


def _asked(name: str, files: Sequence[RevisionFile]) -> str:
    unknown = f"Neither git nor a compiled file says which revision {one_line(name)} followed."
    if not is_on_a_terminal():
        raise CommandError(
            f"{unknown} Name it: uv run db remove {word(name)} --to <revision>. `uv run alembic history` "
            "lists them; base is before the first."
        )
    return _named(ask(f"{unknown} Which one?"), files)


def _named(name: str, files: Sequence[RevisionFile]) -> str:
    """A revision by the beginning of its id; empty for base."""
    if name == "base":
        return ""
    found = [file.revision for file in files if name and file.revision.startswith(name)]
    exact = [revision for revision in found if revision == name] or found
    if len(exact) != 1:
        raise CommandError(
            f"--to {name}: {'several revisions begin so' if found else 'no file has that revision'}. "
            "`uv run alembic history` lists them."
        )
    return exact[0]


def _undo(lost: LostRevision | None, current: Sequence[str]) -> str:
    stamp = f"uv run alembic stamp --purge {' '.join(map(word, current))}"
    if lost and lost.restore:
        return f"Undo: {lost.restore} && {stamp}"
    return f"Undo: bring the file back, and {stamp}"
