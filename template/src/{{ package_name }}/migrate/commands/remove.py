"""`db remove`: a bad revision goes, from the files and from the database."""

from collections.abc import Sequence

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from ...paths import relative
from ...printable import one_line
from ..history import require_sound
from ..locations import require_usual_files
from ..lost_revisions import find_lost_revision
from ..quoting import word
from ..revision_files import RevisionFile, heads_of, read_revision_files
from ..version_table import require_current_revisions
from .removal import take_out
from .repair import repair

INSTEAD = (
    "Use Alembic: uv run alembic downgrade <the revision before>, then delete the file and correct "
    "down_revision in the file that follows it. If the file is gone already: uv run alembic stamp "
    "--purge <the revision before>"
)


def remove(
    config: Config,
    name: str,
    *,
    to: str | None,
    yes: bool,
    published: bool,
    offline: bool,
    downgrade: bool,
) -> list[str]:
    """Remove a revision; or, where its file is gone already and the database is at it, repair the
    database. Returns what was done, for people.

    Args:
        config: Alembic's.
        name: the revision, in any way that Alembic takes.
        to: where its file is gone: the revision that it followed.
        yes: do not ask.
        published: also where it is on the main branch.
        offline: do not look at the database.
        downgrade: where its file is gone: bring it back from git, and downgrade.

    Raises:
        CommandError: there is no such revision, it has to stay, or somebody says no; or Alembic
            looks for revisions elsewhere.
    """
    require_usual_files(config, instead=INSTEAD)
    files = read_revision_files()
    _require_whole(name, files)
    if file := _find(config, name, files):
        if to or downgrade:
            raise CommandError(
                f"{relative(file.path)} is there. --to and --downgrade are for a revision whose file "
                "is gone."
            )
        return take_out(file, files, yes=yes, published=published, offline=offline)
    if offline:
        raise CommandError(f"No file has revision {name}. `uv run alembic history` lists them.")
    current = require_current_revisions(f"uv run db remove {word(name)} --offline")
    known = {file.revision for file in files}
    gone = [one for one in current if one not in known and name and one.startswith(name)]
    if not gone:
        at = one_line(", ".join(current)) or "none"
        raise CommandError(
            f"No file has revision {name}, and the database is at {at}: nothing to remove. `uv run "
            "alembic history` lists the revisions."
        )
    return repair(gone[0], files, current, to=to, yes=yes, published=published, downgrade=downgrade)


def _require_whole(name: str, files: Sequence[RevisionFile]) -> None:
    """
    Raises:
        CommandError: a file follows a revision that no file has.
    """
    heads_of(files)
    known = {file.revision for file in files}
    for file in files:
        for missing in file.follows:
            if missing in known:
                continue
            lost = find_lost_revision(missing)
            if lost and lost.restore:
                way = f"Bring its file back: {lost.restore}"
            else:
                before = f" It followed {', '.join(lost.follows) or 'none'}." if lost else ""
                way = f"git does not have its file.{before} Correct down_revision by hand"
            again = f", then uv run db remove {word(name)}" if missing.startswith(name) else ""
            raise CommandError(
                f"There is no revision {missing}, which {relative(file.path)} follows. {way}{again}."
            )


def _find(config: Config, name: str, files: Sequence[RevisionFile]) -> RevisionFile | None:
    """By its id, or the beginning of it, in the text of the files: also where one of them cannot be
    loaded. By everything else as Alembic does.
    """
    found = [file for file in files if name and file.revision.startswith(name)]
    found = [file for file in found if file.revision == name] or found
    if not found:
        names = _resolved(config, name, files)
        found = [file for file in files if file.revision in names]
    if len(found) > 1:
        several = ", ".join(file.revision for file in found)
        raise CommandError(f"{name} may be each of {several}. Name one.")
    return found[0] if found else None


def _resolved(config: Config, name: str, files: Sequence[RevisionFile]) -> list[str]:
    if name == "head":
        return heads_of(files)
    script = ScriptDirectory.from_config(config)
    try:
        require_sound(script)
        return [one.revision for one in script.get_revisions(name) if one]
    except CommandError:
        return []
