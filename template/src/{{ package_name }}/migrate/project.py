"""Which project a command is about. The projects of a uv workspace share an environment, and the
script `db` in it belongs to the one that was installed last.
"""

import os
import shlex
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from ..paths import PROJECT_ROOT

PACKAGE = __name__.partition(".")[0]
MAIN = ".migrate.__main__:main"  # what the script calls in the package of its project


class WrongProjectError(Exception):
    """The command is not about this project. The text names the projects and their commands."""


def find_project(folder: Path, *, chosen: bool = False) -> Path | None:
    """The folder of the project that a folder is in. Outside of all projects it is this one, if it is
    chosen or has the environment to itself, else None.

    Args:
        folder: where the command runs, or where its configuration is.
        chosen: the command names this project's package, as `python -m <package>.migrate` does.
    """
    if project := _project_above(folder):
        return project
    return PROJECT_ROOT if chosen or len(_installed_projects()) == 1 else None


def run_elsewhere(folder: Path, words: Sequence[str], *, chosen: bool = False) -> bool:
    """Run the command as that of the project that a folder is in, if it is another one of this
    environment. Returns whether it ran.

    Args:
        folder: where the command runs, or where its configuration is.
        words: of the command, for people.
        chosen: the command names this project's package, so no other project's runs instead.

    Raises:
        WrongProjectError: the folder is in no project, or in one of another environment.
    """
    project = find_project(folder, chosen=chosen)
    if project == PROJECT_ROOT:
        return False
    package = _installed_projects().get(project) if project else None
    if package is None or chosen:
        raise WrongProjectError(_refusal(folder, project, words))
    import_module(f"{package}.migrate.__main__").main()
    return True


def working_folder() -> Path:
    """The folder that the command runs in, or the root directory where that is gone."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/")


def _project_above(folder: Path) -> Path | None:
    """The nearest folder upwards with an alembic.ini. One below this project's folder counts only
    with a pyproject.toml beside it.
    """
    for step in (folder, *folder.parents):
        if step == PROJECT_ROOT:
            return step
        if os.path.isfile(step / "alembic.ini") and (
            PROJECT_ROOT not in step.parents or os.path.isfile(step / "pyproject.toml")
        ):
            return step
    return None


def _installed_projects() -> dict[Path, str]:
    """The package of each project that Python finds in this environment, by the project's folder. Of
    two with a package of the same name it finds one.
    """
    from importlib.metadata import entry_points  # slower than `db migrate` with nothing to do

    found = {PROJECT_ROOT: PACKAGE}
    for script in entry_points(group="console_scripts", name="db"):
        package = script.value.removesuffix(MAIN)
        spec = find_spec(package) if package != script.value else None
        if spec and spec.origin:
            found.setdefault(Path(spec.origin).resolve().parents[2], package)
    return found


def _refusal(folder: Path, project: Path | None, words: Sequence[str]) -> str:
    """Why the command does not run, and the command of each project that may be meant."""
    installed = _installed_projects()
    if project is None:
        projects = sorted(installed)
        reason = f"{folder} is in no project, and this environment has several."
    elif project in installed:
        projects = [project, PROJECT_ROOT]
        reason = f"{folder} is in the project {project}, and the command names {PACKAGE}."
    else:
        projects = [project, PROJECT_ROOT]
        reason = (
            f"{folder} is in the project {project}, which Python does not find in this environment; "
            f"this is the command of {PROJECT_ROOT}."
        )
    lines = [f"{reason} Name one:"]
    for one in projects:
        isolated = [] if one in installed else ["--isolated"]
        lines.append(shlex.join(["uv", "run", *isolated, "--directory", str(one), "db", *words]))
    return "\n    ".join(lines)
