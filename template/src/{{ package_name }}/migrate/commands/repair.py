"""Repairs the version table of a database that is at a revision whose file is gone."""

from collections.abc import Sequence

from alembic.util import CommandError

from ...config import settings
from ...paths import relative
from ...printable import one_line
from ..head_file import record_heads
from ..lost_revisions import LostRevision, file_on_the_main_branch, versions_of
from ..quoting import word
from ..revision_files import (
    RevisionFile,
    newest_of,
    read_revision_file,
    remove_compiled,
    write_text,
)
from ..terminal import require_consent, tell
from ..version_table import replace_revisions
from .drift import differences_to_history
from .removal import take_out
from .way_back import named_revision, require_not_squashed, way_back


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
    require_not_squashed(name, files)
    if not published:
        _require_unpublished(name)
    if downgrade:
        version = _version_to_downgrade(name, files, current, to=to)
        return _downgrade(version, files, yes=yes)
    by_id = {file.revision: file for file in files}
    gone = [revision for revision in current if revision not in by_id]
    if to:
        before = tuple(filter(None, [named_revision(to, files)]))
        versions = tuple(sorted(versions_of(name), key=lambda one: one.follows != before))
    else:
        before, versions = way_back(gone, files, current)
    lost = next((version for version in versions if version.revision == name), None)
    new = newest_of(by_id, [*(r for r in current if r in by_id), *before])
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
    replace_revisions(current, new, first=record_heads)
    lines = [f"The database is at {shown} now, and was at {one_line(', '.join(current))} before."]
    if found:
        lines.append("What differs is still in it: uv run db drift")
    return [*lines, _undo(lost, current)]


def _require_unpublished(name: str) -> None:
    found = file_on_the_main_branch(name)
    if found:
        main, path = found
        raise CommandError(
            f"{one_line(name)} is on {main}, so the database is rather ahead of this code than broken. "
            f"Merge {main}, or bring the file back: git checkout {word(main)} -- {word(path)}. If it is "
            f"to go nevertheless: uv run db remove {word(name)} --published"
        )


def _version_to_downgrade(
    name: str, files: Sequence[RevisionFile], current: Sequence[str], *, to: str | None
) -> LostRevision:
    """The version of the file that was applied."""
    versions = [version for version in versions_of(name) if version.source]
    if not versions:
        raise CommandError(f"git does not have the file of {name}, so it cannot be downgraded.")
    if to:
        before = tuple(filter(None, [named_revision(to, files)]))
        versions = [version for version in versions if version.follows == before]
        if not versions:
            raise CommandError(f"--to {to}: git has no file of {name} that follows it.")
        return versions[0]
    version = way_back([name], files, current).files[0]
    known = {file.revision for file in files}
    if missing := [one for one in version.follows if one not in known]:
        raise CommandError(
            f"{name} followed {', '.join(missing)}, which no file has either. Bring both back: "
            f"{version.restore}"
        )
    return version


def _downgrade(lost: LostRevision, files: Sequence[RevisionFile], *, yes: bool) -> list[str]:
    """Bring the file back for as long as the downgrade takes. Whatever fails, it does not stay."""
    if lost.path.exists():
        raise CommandError(
            f"{relative(lost.path)} is there and has another revision, so the file of "
            f"{lost.revision} cannot be brought back under its name. Rename the one that is there."
        )
    try:
        write_text(lost.path, lost.source)
        tell(f"{relative(lost.path)} is back, as git has it.")
        file = read_revision_file(lost.path)
        return take_out(
            file, [*files, file], yes=yes, published=True, offline=False, restored=lost.restore
        )
    finally:
        lost.path.unlink(missing_ok=True)
        remove_compiled(lost.path)


def _undo(lost: LostRevision | None, current: Sequence[str]) -> str:
    stamp = f"uv run alembic stamp --purge {' '.join(map(word, current))}"
    if lost and lost.restore:
        return f"Undo: {lost.restore} && {stamp}"
    return f"Undo: bring the file back, and {stamp}"
