"""alembic.ini, as the library reads it: without Alembic, which is slow to import."""

import os
import re
import sys
from collections.abc import Sequence
from configparser import ConfigParser, DuplicateOptionError, DuplicateSectionError
from configparser import Error as IniError
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from alembic_live.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.config import Config

INI = "alembic.ini"
SECTION = "alembic_live"  # the library's section


def find_config_file(folder: Path) -> Path | None:
    """The nearest alembic.ini, from a folder upwards."""
    return next(
        (step / INI for step in (folder, *folder.parents) if (step / INI).is_file()),
        None,
    )


def package_config_file(package: str) -> Path | None:
    """The alembic.ini that names a project in a package: in the package's folder, as in a wheel, else in
    the nearest folder above it that has one. None if there is none. The package is not imported.

    Args:
        package: the name of a package at the top level.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    spec = find_spec(package)
    for location in (spec and spec.submodule_search_locations) or ():
        found = find_config_file(Path(location))
        named = read_ini(found).get(SECTION, "project", fallback="", raw=True) if found else ""
        if re.split(r"[.:]", named.strip())[0] == package:
            return found
    return None


def installed_config_files() -> dict[str, Path]:
    """The alembic.ini of each installed package that declares a project: `module:attribute` in an entry
    point of the group `alembic_live`.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    from importlib.metadata import entry_points  # slow to import

    packages = {each.module.partition(".")[0] for each in entry_points(group=SECTION)}
    found = {package: package_config_file(package) for package in sorted(packages)}
    return {package: path for package, path in found.items() if path}


def read_ini(config_file: Path) -> ConfigParser:
    """The contents of an alembic.ini, where `%(here)s` is its folder.

    Raises:
        ConfigurationError: it cannot be read. The text quotes no line: it may hold a password.
    """
    parser = ConfigParser({"here": config_file.resolve().parent.as_posix().replace("%", "%%")})
    try:
        read = parser.read(config_file, encoding="utf-8")
    except (IniError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{config_file} cannot be read: {why_unreadable(error)}."
        ) from None
    if not read:
        raise ConfigurationError(f"There is no file {config_file}.")
    return parser


def why_unreadable(error: IniError | UnicodeDecodeError) -> str:
    """Why a file cannot be read. The text of the error quotes a line, which may hold a password."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, (DuplicateSectionError, DuplicateOptionError)):
        return f"line {error.lineno} repeats a section or a setting"
    lines = [number for number, _ in getattr(error, "errors", ())] or [
        getattr(error, "lineno", "?")
    ]
    return f"line {', '.join(map(str, lines))} is neither a [section] nor name = value"


def url_in(config_file: Path) -> str:
    """The URL of the database.

    Raises:
        ConfigurationError: there is none, or it has placeholders without values.
    """
    try:
        url = read_ini(config_file).get("alembic", "sqlalchemy.url", fallback="")
    except IniError:
        url = ""
    if not url:
        raise ConfigurationError(
            f"The database is not known: give Project() the settings, a url or an engine, or set "
            f"sqlalchemy.url in {config_file}."
        )
    return url


def target_in(config_file: Path) -> str:
    """What `db migrate` upgrades to: `head`, or `heads` for a history with several.

    Raises:
        ConfigurationError: the file cannot be read, or names something else.
    """
    target = read_ini(config_file).get(SECTION, "target", fallback="head")
    if target not in ("head", "heads"):
        raise ConfigurationError(
            f"{config_file}: target in [{SECTION}] is head or heads, and not {target}."
        )
    return target


def default_schema_in(config_file: Path) -> str:
    """The schema of tables whose models name none; empty if it is left to the search path.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    return option_in(config_file, "default_schema")


def option_in(config_file: Path, name: str) -> str:
    """The value of an option of the library's section; empty if it is not there.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    return read_ini(config_file).get(SECTION, name, fallback="").strip()


def add_to_path(config_file: Path) -> None:
    """Put the folders of Alembic's prepend_sys_path before others. Alembic starts from the current
    folder, and this from the file's. Without the setting it is the folder of the file.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    parser = read_ini(config_file)
    value = parser.get("alembic", "prepend_sys_path", fallback="")
    separator = os.pathsep if parser.get("alembic", "path_separator", fallback="") == "os" else None
    parts = value.split(separator) if separator else re.split(r"[\s,:]+", value)
    parts = [part.strip() for part in parts if part.strip()]
    for part in reversed(parts or _paths_in_pyproject(config_file) or ["."]):
        path = str((config_file.resolve().parent / part).resolve())
        # In front, also if it is there already: another project in the environment may have a
        # package of the same name.
        sys.path[:] = [path, *(each for each in sys.path if each != path)]


def find_folders(config: "Config") -> None:
    """Find relative folders of revisions from the folder of alembic.ini, if the current folder does
    not have them. Alembic knows the current folder only.
    """
    assert config.config_file_name is not None
    folder = Path(config.config_file_name).resolve().parent
    script = config.get_alembic_option("script_location")
    if script and (found := _beside(folder, script, "env.py")):
        config.set_main_option("script_location", found.replace("%", "%%"))
    versions = [str(each) for each in config.get_version_locations_list() or ()]
    resolved = [_beside(folder, each) or each for each in versions]
    if resolved != versions:
        set_version_locations(config, resolved)


def _beside(folder: Path, location: str, file: str = "") -> str | None:
    """Where a relative folder is, if only `folder` has it."""
    is_package = ":" in location
    if is_package or Path(location).is_absolute() or Path(location, file).exists():
        return None
    return str(folder / location) if Path(folder, location, file).exists() else None


def set_version_locations(config: "Config", folders: Sequence[str | Path]) -> None:
    """Let Alembic read the revisions from these folders. Any character may be in their names."""
    paths = config.get_prepend_sys_paths_list()
    config.set_main_option("path_separator", "newline")
    for name, values in (("version_locations", folders), ("prepend_sys_path", paths or ())):
        if values:
            config.set_main_option(name, "\n".join(map(str, values)).replace("%", "%%"))


def _paths_in_pyproject(config_file: Path) -> list[str]:
    """prepend_sys_path in `[tool.alembic]`, where `alembic init --template pyproject` puts it."""
    path = config_file.resolve().with_name("pyproject.toml")
    if not path.is_file():
        return []
    import tomllib

    try:
        tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except ValueError as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    here = config_file.resolve().parent.as_posix()
    found = tools.get("alembic", {}).get("prepend_sys_path", [])
    return [str(each).replace("%(here)s", here) for each in found]
