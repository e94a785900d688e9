"""Repair the version table of a database at a revision whose file was deleted."""

from collections.abc import Sequence
from functools import partial

from alembic.util import CommandError

from alembic_live.commands.drift import differences_from_history
from alembic_live.commands.remove.predecessors import (
    find_predecessors,
    find_revision,
    require_not_squashed,
)
from alembic_live.commands.remove.removal import remove_revision
from alembic_live.history.deleted_revisions import (
    DeletedRevision,
    file_on_the_main_branch,
    versions_of,
)
from alembic_live.history.files import (
    RevisionFile,
    newest_of,
    read_revision_file,
    remove_compiled,
    write_text,
)
from alembic_live.history.head_file import record_heads
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.version_table import replace_revisions
from alembic_live.sql.quoting import word
from alembic_live.terminal import require_consent, tell


def repair(
    project: Project,
    name: str,
    files: Sequence[RevisionFile],
    current: Sequence[str],
    *,
    to: str | None,
    yes: bool,
    published: bool,
    downgrade: bool,
) -> list[str]:
    """Set the version table of the project's database to the revisions that the deleted ones
    followed. Nothing else in the database is changed. Returns a report.

    Args:
        name: a revision of the database whose file was deleted.
        files: the files of the revisions.
        current: the revisions of the database.
        to: the revision to set. Default: the one that git says.
        yes: do not ask for confirmation.
        published: continue if the main branch has the file.
        downgrade: restore the file from git and downgrade instead.

    Raises:
        CommandError: the revision before is unknown, or the user declines.
    """
    require_not_squashed(name, files)
    if not published:
        _require_unpublished(project, name)
    if downgrade:
        version = _version_to_downgrade(project, name, files, current, to=to)
        return _downgrade(project, version, files, yes=yes)
    by_id = {file.revision: file for file in files}
    deleted = [revision for revision in current if revision not in by_id]
    if to:
        before = tuple(filter(None, [find_revision(to, files)]))
        versions = tuple(sorted(versions_of(project, name), key=lambda one: one.follows != before))
    else:
        before, versions = find_predecessors(project, deleted, files, current)
    lost = next((version for version in versions if version.revision == name), None)
    new = newest_of(by_id, [*(r for r in current if r in by_id), *before])
    address = project.migration_address
    shown = ", ".join(new) or "base"
    found = differences_from_history(project, address, *new, name=f"revision {shown}")
    for difference in found:
        tell(str(difference))
    what = (
        f"The {address} is at {one_line(', '.join(deleted))}, which no file has. "
        f"{'It' if len(deleted) == 1 else 'They'} followed {shown}. "
    )
    if not found:
        what += f"The schema matches {shown}. This sets the version table to {shown}."
    else:
        what += (
            f"The schema differs from {shown} as listed above. This sets the version table to {shown} "
            "and keeps the differences."
        )
        if lost and lost.restore:
            what += f" To downgrade instead: uv run db remove {word(name)} --downgrade."
    require_consent(what, yes=yes)
    replace_revisions(project, current, new, first=partial(record_heads, project))
    report = [f"The database is at {shown} now, and was at {one_line(', '.join(current))} before."]
    if found:
        report.append("The differences are still there: uv run db drift")
    return [*report, _undo(lost, current)]


def _require_unpublished(project: Project, name: str) -> None:
    found = file_on_the_main_branch(project, name)
    if found:
        main, path = found
        raise CommandError(
            f"{one_line(name)} is on {main}, so the database is ahead of this code rather than broken. "
            f"Merge {main}, or restore the file: git checkout {word(main)} -- {word(path)}. To remove "
            f"the revision anyway: uv run db remove {word(name)} --published"
        )


def _version_to_downgrade(
    project: Project,
    name: str,
    files: Sequence[RevisionFile],
    current: Sequence[str],
    *,
    to: str | None,
) -> DeletedRevision:
    """The version of the file that was applied."""
    versions = versions_of(project, name)
    if not versions:
        raise CommandError(f"git does not have the file of {name}, so it cannot be downgraded.")
    if to:
        before = tuple(filter(None, [find_revision(to, files)]))
        versions = [version for version in versions if version.follows == before]
        if not versions:
            raise CommandError(f"--to {to}: git has no file of {name} that follows it.")
        return versions[0]
    version = find_predecessors(project, [name], files, current).files[0]
    known = {file.revision for file in files}
    if missing := [one for one in version.follows if one not in known]:
        raise CommandError(
            f"{name} followed {', '.join(missing)}, which no file has either. Restore both: "
            f"{version.restore}"
        )
    return version


def _downgrade(
    project: Project, lost: DeletedRevision, files: Sequence[RevisionFile], *, yes: bool
) -> list[str]:
    """Restore the file for the duration of the downgrade. It is deleted again, whatever fails."""
    if lost.path.exists():
        raise CommandError(
            f"{project.relative(lost.path)} exists and has another revision, so the file of "
            f"{lost.revision} cannot be restored. Rename the existing file."
        )
    try:
        write_text(lost.path, lost.source)
        tell(f"Restored {project.relative(lost.path)} from git.")
        file = read_revision_file(lost.path)
        return remove_revision(
            project,
            file,
            [*files, file],
            yes=yes,
            published=True,
            offline=False,
            restored=lost.restore,
        )
    finally:
        lost.path.unlink(missing_ok=True)
        remove_compiled(lost.path)


def _undo(lost: DeletedRevision | None, current: Sequence[str]) -> str:
    stamp = f"uv run alembic stamp --purge {' '.join(map(word, current))}"
    if lost and lost.restore:
        return f"Undo: {lost.restore} && {stamp}"
    return f"Undo: restore the file, then {stamp}"
