"""Takes a revision that has a file out of the history, and out of the database."""

from collections.abc import Sequence
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import Connection

from ...config import settings
from ...paths import relative
from ...printable import one_line
from ..command import run_command
from ..git import has_as_it_is, remove
from ..head_file import HEAD_FILE, record_heads
from ..quoting import word
from ..revision_files import (
    RevisionFile,
    following,
    newest_of,
    parse_revision,
    remove_compiled,
    write_text,
)
from ..terminal import require_consent, tell
from ..version_table import revisions_in, while_nobody_migrates
from .obstacles import applied_at, is_applied, require_no_dependents, require_unpublished
from .one_step import downgrade
from .rehearsal import rehearse_downgrade, rehearse_without


def take_out(
    file: RevisionFile,
    files: Sequence[RevisionFile],
    *,
    yes: bool,
    published: bool,
    offline: bool,
    restored: str = "",
) -> list[str]:
    """Downgrade the database of the settings where the revision is the newest in it, let those that
    follow it follow the one before, and delete its file. In this order a killed process leaves a
    history that is whole, and is finished by the next. Returns what was done, for people.

    Args:
        file: of the revision.
        files: all of them.
        yes: do not ask.
        published: also where it is on the main branch.
        offline: the database is not looked at.
        restored: the git command that would have brought the file back, which has just been.

    Raises:
        CommandError: it has to stay, or somebody says no; nothing is changed.
    """
    name = file.revision
    require_no_dependents(file, files)
    if not published:
        require_unpublished(file)
    applied = not offline and is_applied(file, files)
    relinked = _relinked(file, files)
    changed = [parse_revision(text, path) for path, text in relinked.items()]
    doubts = []
    if relinked:
        tell(f"Without {name} the history would be:\n{_shown(file, files, changed)}")
        rehearse_without(file, relinked)
        after = ", ".join(one.revision for one in changed)
        doubts.append(
            f"{after} would follow {', '.join(file.follows) or 'nothing'} in place of {name}."
        )
    if applied:
        if left := rehearse_downgrade(file):
            tell(f"The downgrade of {name} does not bring back what was there before:")
            tell("\n".join(str(difference) for difference in left))
        doubts.append(
            f"{name} is applied to {settings.migration_address}: its downgrade would run, and rows "
            "that it drops are lost."
        )
    kept = [path for path in (file.path, *relinked, HEAD_FILE) if has_as_it_is(path)]
    unkept = [path for path in (file.path, *relinked) if path not in kept and not restored]
    if unkept:
        names = ", ".join(map(relative, unkept))
        doubts.append(
            f"The newest commit in git has {names} not as it is now, so there is no undo."
        )
    if doubts:
        require_consent(" ".join(doubts), yes=yes)
    if applied:
        run_command(downgrade, name)

    def change(connection: Connection | None) -> tuple[str, ...]:
        now = revisions_in(connection) if connection else ()
        if name in applied_at(files, now):
            raise CommandError("Another process has migrated meanwhile. Run it again.")
        for path, text in relinked.items():
            write_text(path, text)
        record_heads(without=file.path)
        if restored:  # git still has it as deleted
            file.path.unlink()
            remove_compiled(file.path)
        else:
            remove([file.path])
        return now

    now = change(None) if offline else while_nobody_migrates(change)
    return [
        *([f"The database is at {one_line(', '.join(now)) or 'base'} now."] if applied else []),
        *(
            f"{one.revision} follows {', '.join(one.follows) or 'nothing'} now ({relative(one.path)})."
            for one in changed
        ),
        f"{relative(file.path)} is gone.",
        _undo(file, kept, restored, applied=applied),
        *(
            f"Undone, {relative(path)} has to follow {name} again (down_revision), by hand: it has "
            "changes that git does not have."
            for path in relinked
            if path not in kept
        ),
        "What it made may still be in the models: uv run alembic check",
    ]


def _relinked(file: RevisionFile, files: Sequence[RevisionFile]) -> dict[Path, str]:
    """The new texts of the files that follow it."""
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
        source = child.path.read_text(encoding="utf-8")
        texts[child.path] = following(source, newest_of(by_id, names))
    return texts


def _shown(
    file: RevisionFile, files: Sequence[RevisionFile], changed: Sequence[RevisionFile]
) -> str:
    """The new chain around the gap, as `alembic history` writes it."""
    before = [other for other in files if other.revision in file.follows]
    return "\n".join(
        f"    {', '.join(one.follows) or '<base>'} -> {one.revision}  {one.path.name}"
        for one in (*before, *changed)
    )


def _undo(file: RevisionFile, kept: Sequence[Path], restored: str, *, applied: bool) -> str:
    if restored:
        steps = [restored]
    elif file.path in kept:
        steps = [f"git checkout HEAD -- {' '.join(word(relative(path)) for path in kept)}"]
    else:
        return "git did not have it, so there is no undo."
    if restored or HEAD_FILE not in kept:
        steps.append("uv run db record_head")
    if applied:
        steps.append("uv run alembic upgrade head")
    undo = f"Undo: {' && '.join(steps)}"
    return f"{undo}\nRows that were dropped do not come back." if applied else undo
