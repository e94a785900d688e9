"""`db record_head`: write the newest revision to head.txt. A hook in alembic.ini runs it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from alembic_live.alembic_ini import read_ini
from alembic_live.errors import ConfigurationError
from alembic_live.history.files import read_revisions_in
from alembic_live.history.head_file import record_heads, write_heads
from alembic_live.project import HEAD_FILE, load_project
from alembic_live.terminal import tell

OTHER_FOLDERS = ("version_locations", "recursive_version_locations", "sourceless")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's arguments."""
    # Alembic passes the file of the new revision. Its alembic.ini need not be the current folder's.
    parser.add_argument("revision_file", nargs="?", help="The file that the hook is about.")


def run_in(config_file: Path, arguments: Namespace) -> int:
    """Run the command and return its exit code."""
    file = arguments.revision_file
    if file:
        _remove_unless_python(Path(file))
    if file and _is_usual(config_file, Path(file)):
        # Every `alembic revision` waits for this, so it imports neither Alembic nor the service.
        versions = Path(file).parent
        path = versions.parent / HEAD_FILE
        heads, folder = write_heads(path, read_revisions_in(versions)), config_file.parent
        shown = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path
    else:
        from alembic_live.history.locations import require_read

        project = load_project(config_file)
        if file:
            require_read(project.script, Path(file).resolve())
        heads, shown = record_heads(project, asked=True), project.relative(project.head_file)
    tell(f"{shown}: {heads.strip() or 'no revision yet'}")
    return 0


def _remove_unless_python(revision: Path) -> None:
    """Remove a new revision that is not Python: it would stop every later command.

    Raises:
        ConfigurationError: it is not; the text says why.
    """
    try:
        compile(revision.read_bytes(), revision.name, "exec")
    except (SyntaxError, ValueError) as error:
        revision.unlink()
        raise ConfigurationError(
            f"{revision} was not Python and is removed: {error}. Look at the message of the "
            "revision, at migrations/script.py.mako, and at the hooks in alembic.ini."
        ) from None


def _is_usual(config_file: Path, revision: Path) -> bool:
    """Whether a new revision is in `versions/` beside an existing head.txt, and no setting adds
    another folder.
    """
    versions = revision.parent
    pyproject = config_file.parent / "pyproject.toml"
    settings = {*read_ini(config_file).options("alembic")}
    return (
        versions.name == "versions"
        and not versions.is_symlink()
        and (versions.parent / HEAD_FILE).exists()
        and settings.isdisjoint(OTHER_FOLDERS)
        and not (pyproject.exists() and "tool.alembic" in pyproject.read_text(encoding="utf-8"))
    )
