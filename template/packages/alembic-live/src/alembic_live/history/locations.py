"""The folders of the revisions. Commands that rewrite files support one folder."""

from pathlib import Path

from alembic.util import CommandError

from alembic_live.project import Project


def require_one_folder(project: Project, *, instead: str) -> None:
    """Check that all revisions are in one folder.

    Args:
        project: the project.
        instead: what to do if they are not.

    Raises:
        CommandError: a setting adds other places; the text names the setting and its file.
    """
    setting = _setting(project)
    if setting:
        raise CommandError(
            f"{setting}. This command supports one folder of revisions, so it would miss some. "
            f"Nothing was changed. {instead}"
        )


def _setting(project: Project) -> str | None:
    """A clause that names the setting that adds other places, or None."""
    script = project.script
    if len(script.version_locations or ()) > 1:
        setting = "version_locations"
    elif script.recursive_version_locations:
        setting = "recursive_version_locations"
    elif script.sourceless:
        setting = "sourceless"
    elif Path(script.versions).is_symlink():
        return f"{script.versions} is a symbolic link"
    else:
        return None
    in_ini = project.config.file_config.has_option("alembic", setting)
    file = project.config_file if in_ini else project.folder / "pyproject.toml"
    return f"{project.relative(file)} sets {setting}"
