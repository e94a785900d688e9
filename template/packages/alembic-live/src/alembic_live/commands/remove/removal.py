"""Remove a revision whose file exists."""

from collections.abc import Sequence
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import Connection

from alembic_live.commands.remove.checks import (
    applied_at,
    downgrade_one,
    is_applied,
    rehearse_downgrade,
    rehearse_removal,
    require_no_dependents,
    require_unpublished,
)
from alembic_live.history.files import (
    RevisionFile,
    newest_of,
    newest_target,
    parse_revision,
    read_source,
    remove_compiled,
    with_down_revision,
    write_text,
)
from alembic_live.history.git import is_committed, remove
from alembic_live.history.head_file import record_heads
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.program import run_command
from alembic_live.runtime.version_table import revisions_in, with_migration_lock
from alembic_live.sql.quoting import word
from alembic_live.terminal import require_consent, tell


def remove_revision(
    project: Project,
    file: RevisionFile,
    files: Sequence[RevisionFile],
    *,
    yes: bool,
    published: bool,
    offline: bool,
    restored: str = "",
) -> list[str]:
    """Downgrade the project's database if the revision is the newest one there, relink the revisions
    that follow it, and delete its file. In this order a killed process leaves a complete history, and
    running the command again finishes the removal. Returns a report.

    Args:
        file: the file of the revision.
        files: the files of all revisions.
        yes: do not ask for confirmation.
        published: continue if it is on the main branch.
        offline: do not check whether the database has it applied.
        restored: the git command that restores the file, if it was restored only for this removal.

    Raises:
        CommandError: it cannot be removed, or the user declines. Nothing is changed.
    """
    name = file.revision
    require_no_dependents(project, file, files)
    if not published:
        require_unpublished(project, file, newest_target(files))
    applied = not offline and is_applied(project, file, files, published=published)
    relinked = _relinked(file, files)
    changed = [parse_revision(text, path) for path, text in relinked.items()]
    warnings = []
    if relinked:
        tell(f"Without {name} the history would be:\n{_describe_chain(file, files, changed)}")
        rehearse_removal(project, file, relinked)
        after = ", ".join(one.revision for one in changed)
        warnings.append(
            f"{after} would follow {', '.join(file.follows) or 'nothing'} in place of {name}."
        )
    if applied:
        if left := rehearse_downgrade(project, file, published=published):
            tell(f"The downgrade of {name} does not restore the schema from before its upgrade:")
            tell("\n".join(str(difference) for difference in left))
        warnings.append(
            f"{name} is applied to {project.migration_address}: its downgrade runs, and rows that it "
            "drops are lost."
        )
    kept = [
        path for path in (file.path, *relinked, project.head_file) if is_committed(project, path)
    ]
    unkept = [path for path in (file.path, *relinked) if path not in kept and not restored]
    if unkept:
        names = ", ".join(map(project.relative, unkept))
        warnings.append(f"git does not have the current version of {names}, so there is no undo.")
    if warnings:
        require_consent(" ".join(warnings), yes=yes)
    if applied:
        run_command(project, downgrade_one, name)

    def change(connection: Connection | None) -> tuple[str, ...]:
        now = revisions_in(project, connection) if connection else ()
        if name in applied_at(files, now):
            raise CommandError(
                "Another process has applied the revision in the meantime. Run the command again."
            )
        for path, text in relinked.items():
            write_text(path, text)
        record_heads(project, without=file.path)
        if restored:  # for git it is still deleted
            file.path.unlink()
            remove_compiled(file.path)
        else:
            remove(project, [file.path])
        return now

    now = change(None) if offline else with_migration_lock(project, change)
    return [
        *([f"The database is at {one_line(', '.join(now)) or 'base'} now."] if applied else []),
        *(
            f"{one.revision} now follows {', '.join(one.follows) or 'nothing'} ({project.relative(one.path)})."
            for one in changed
        ),
        f"Deleted {project.relative(file.path)}.",
        _undo(project, file, kept, restored, applied=applied, to=newest_target(files)),
        *(
            f"After an undo, set down_revision in {project.relative(path)} to {name} again by hand: git "
            "does not have the current version of the file."
            for path in relinked
            if path not in kept
        ),
        "The models may still define what it created: uv run alembic check",
    ]


def _relinked(file: RevisionFile, files: Sequence[RevisionFile]) -> dict[Path, str]:
    """The new texts of the files that follow the revision, by path."""
    by_id = {other.revision: other for other in files}
    texts = {}
    for child in files:
        if file.revision not in child.follows:
            continue
        names = [
            name
            for followed in child.follows
            for name in (file.follows if followed == file.revision else (followed,))
        ]
        source = read_source(child.path)
        texts[child.path] = with_down_revision(source, newest_of(by_id, names))
    return texts


def _describe_chain(
    file: RevisionFile, files: Sequence[RevisionFile], changed: Sequence[RevisionFile]
) -> str:
    """The new chain around the removed revision, in the format of `alembic history`."""
    before = [other for other in files if other.revision in file.follows]
    return "\n".join(
        f"    {', '.join(one.follows) or '<base>'} -> {one.revision}  {one.path.name}"
        for one in (*before, *changed)
    )


def _undo(
    project: Project,
    file: RevisionFile,
    kept: Sequence[Path],
    restored: str,
    *,
    applied: bool,
    to: str,
) -> str:
    if restored:
        steps = [restored]
    elif file.path in kept:
        steps = [f"git checkout HEAD -- {' '.join(word(project.relative(path)) for path in kept)}"]
    else:
        return "git did not have the file, so there is no undo."
    if project.head_file.exists() and (restored or project.head_file not in kept):
        steps.append("uv run db record_head")
    if applied:
        steps.append(f"uv run alembic upgrade {to}")
    undo = f"Undo: {' && '.join(steps)}"
    return f"{undo}\nThe undo does not restore dropped rows." if applied else undo
