"""`db remove`: remove a bad revision from the files and from the database."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from alembic.util import CommandError

from alembic_live.commands.remove.removal import remove_revision
from alembic_live.commands.remove.repair import repair
from alembic_live.history.deleted_revisions import find_deleted_revision
from alembic_live.history.files import RevisionFile, heads_of
from alembic_live.history.graph import require_sound, revision_files
from alembic_live.history.locations import require_sources
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.runtime.version_table import require_current_revisions
from alembic_live.sql.quoting import word
from alembic_live.terminal import tell


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("revision", help="the revision to remove")
    parser.add_argument(
        "--to",
        metavar="REVISION",
        help="The revision that it followed, if its file was deleted.",
    )
    parser.add_argument(
        "--downgrade",
        action="store_true",
        help="If its file was deleted, restore it from git and downgrade.",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="Continue if the revision is on the main branch.",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="Do not check whether the database has it applied.",
    )
    parser.add_argument("--yes", action="store_true", help="Do not ask for confirmation.")


def run(project: Project, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    report = remove(
        project,
        arguments.revision,
        to=arguments.to,
        downgrade=arguments.downgrade,
        published=arguments.published,
        offline=arguments.offline,
        yes=arguments.yes,
    )
    tell("\n".join(report))
    return 0


def remove(
    project: Project,
    name: str,
    *,
    to: str | None,
    yes: bool,
    published: bool,
    offline: bool,
    downgrade: bool,
) -> list[str]:
    """Remove a revision. If its file was deleted and the database is at it, repair the database
    instead. Returns a report.

    Args:
        name: any name of a revision that Alembic accepts.
        to: the revision that it followed, if its file was deleted.
        yes: do not ask for confirmation.
        published: continue if it is on the main branch.
        offline: do not check whether the database has it applied.
        downgrade: if its file was deleted, restore it from git and downgrade.

    Raises:
        CommandError: there is no such revision, it cannot be removed, the user declines, or a
            revision has no source.
    """
    if not name.strip():
        raise CommandError(
            "The name of the revision is empty. `uv run alembic history` lists them."
        )
    require_sources(project)
    files = revision_files(project)
    _require_complete(project, name, files)
    if file := _find(project, name, files):
        if to or downgrade:
            raise CommandError(
                f"{project.relative(file.path)} exists. --to and --downgrade are for revisions whose file "
                "was deleted."
            )
        return remove_revision(project, file, files, yes=yes, published=published, offline=offline)
    if offline:
        raise CommandError(
            f"No file has revision {name}. `uv run alembic history` lists the revisions."
        )
    current = require_current_revisions(project, f"uv run db remove {word(name)} --offline")
    known = {file.revision for file in files}
    deleted = [one for one in current if one not in known and name and one.startswith(name)]
    if not deleted:
        at = one_line(", ".join(current)) or "none"
        raise CommandError(
            f"No file has revision {name}, and the database is at {at}: nothing to remove. `uv run "
            "alembic history` lists the revisions."
        )
    return repair(
        project,
        deleted[0],
        files,
        current,
        to=to,
        yes=yes,
        published=published,
        downgrade=downgrade,
    )


def _require_complete(project: Project, name: str, files: Sequence[RevisionFile]) -> None:
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
            lost = find_deleted_revision(project, missing)
            if lost and lost.restore:
                way = f"Restore its file: {lost.restore}"
            else:
                before = f" It followed {', '.join(lost.follows) or 'none'}." if lost else ""
                way = f"git does not have its file.{before} Correct down_revision by hand"
            again = f", then uv run db remove {word(name)}" if missing.startswith(name) else ""
            raise CommandError(
                f"There is no revision {missing}, which {project.relative(file.path)} follows. {way}{again}."
            )


def _find(project: Project, name: str, files: Sequence[RevisionFile]) -> RevisionFile | None:
    """Find a revision by its id or a partial id in the text of the files: a file that cannot be loaded
    is found too. Any other name is resolved by Alembic.
    """
    found = [file for file in files if name and file.revision.startswith(name)]
    found = [file for file in found if file.revision == name] or found
    if not found:
        names = _resolve(project, name, files)
        found = [file for file in files if file.revision in names]
    if len(found) > 1:
        several = ", ".join(file.revision for file in found)
        raise CommandError(f"{name} is ambiguous: {several}. Name one of them.")
    return found[0] if found else None


def _resolve(project: Project, name: str, files: Sequence[RevisionFile]) -> list[str]:
    if name == "head":
        return heads_of(files)
    script = project.script
    try:
        require_sound(script)
        return [one.revision for one in script.get_revisions(name) if one]
    except CommandError:
        return []
