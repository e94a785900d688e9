"""Where the revisions are: the folders and the files that Alembic reads."""

from collections.abc import Iterable
from pathlib import Path

from alembic.script import ScriptDirectory
from alembic.util import CommandError

from alembic_live.history.files import is_revision_name
from alembic_live.internals.alembic import files_in_folder, version_folders
from alembic_live.project import Project


def folders_of(script: ScriptDirectory) -> list[Path]:
    """The folders of a history. A symbolic link is followed."""
    return [folder.resolve() for folder in version_folders(script)]


def paths_of(script: ScriptDirectory) -> list[Path]:
    """The files of a history, in the order of their folders and names. A file ends in `.pyc` if
    alembic.ini sets `sourceless` and there is no source.
    """
    found = {
        path: None
        for folder in folders_of(script)
        if folder.is_dir()
        for path in files_in_folder(script, folder)
        if is_revision_name(path.name, compiled=script.sourceless)
    }
    return [path for path in found if path.suffix == ".py" or path.with_suffix(".py") not in found]


def is_in(folders: Iterable[Path], path: str) -> bool:
    """Whether a file is in one of the folders."""
    return any(Path(path).is_relative_to(folder) for folder in folders)


def require_sources(project: Project) -> None:
    """
    Raises:
        CommandError: a revision has no source, so it cannot be rewritten.
    """
    for path in paths_of(project.script):
        if path.suffix != ".py":
            raise CommandError(
                f"{project.relative(path)} has no source, and this command rewrites sources. Nothing "
                "was changed. Run it where the .py files are."
            )


def require_read(script: ScriptDirectory, path: Path) -> None:
    """Check that Alembic reads a new revision.

    Raises:
        CommandError: the settings put it into a folder that Alembic does not read.
    """
    if path.parent in folders_of(script) or script.recursive_version_locations:
        return
    raise CommandError(
        f"Alembic does not read {path}, because file_template in alembic.ini has a folder. Set "
        "recursive_version_locations = true there."
    )
