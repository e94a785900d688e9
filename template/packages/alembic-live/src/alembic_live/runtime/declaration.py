"""What alembic.ini declares for the fast path of `db migrate`, which runs no code of the project.

`env_file` in `[alembic_live]` switches the fast path on. Every other command compares what is
declared with what the project and env.py do, and refuses if they differ.
"""

import os
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from alembic_live.alembic_ini import SECTION, read_ini
from alembic_live.database_url import NAME, is_needed
from alembic_live.errors import ConfigurationError
from alembic_live.plain_settings import UnsureError, read_migration_address

if TYPE_CHECKING:
    from sqlalchemy import URL

    from alembic_live.project import Project

VERSION_TABLE = "alembic_version"  # Alembic's default

# The history and the database are where the template puts them: any other setting of Alembic could
# put them elsewhere.
_FIXED = {
    "script_location": "%(here)s/migrations",
    "sqlalchemy.url": "postgresql+%(DB_DRIVER)s://%(DB_USER)s:%(DB_PASSWORD)s@%(DB_HOST)s"
    ":%(DB_PORT)s/%(DB_NAME)s%(DB_QUERY)s",
}
_FREE = {"file_template", "path_separator", "prepend_sys_path", "timezone", "truncate_slug_length"}

# The word in a pyproject.toml, other than in the name of another package.
_ALEMBIC = re.compile(r"\balembic\b(?![-_])")


@dataclass(frozen=True, slots=True)
class Declaration:
    """Where the fast path looks.

    Attributes:
        versions: the folder of the revisions.
        env_file: the `.env` file, which need not exist.
        table: the name of the version table.
        schema: of the version table; empty if it is not declared.
        default_schema: of tables that name none; empty for the first on the search path.
    """

    versions: Path
    env_file: Path
    table: str
    schema: str
    default_schema: str

    @classmethod
    def read(cls, config_file: Path) -> Self:
        """
        Raises:
            UnsureError: the fast path is off, or something could lead Alembic elsewhere.
            ConfigurationError: the file cannot be read.
        """
        if os.environ.get("ALEMBIC_CONFIG"):
            raise UnsureError("ALEMBIC_CONFIG")
        for folder in {config_file.parent, Path.cwd()}:  # Alembic reads that of the second
            _require_no_settings(folder / "pyproject.toml")
        parser = read_ini(config_file)
        if list(parser.defaults()) != ["here"]:
            raise UnsureError("[DEFAULT]")
        alembic = dict(parser.items("alembic", raw=True))
        here = alembic.pop("here")
        if here != config_file.resolve().parent.as_posix().replace("%", "%%"):
            raise UnsureError("here")
        for name in alembic.keys() - _FREE:
            if alembic[name] != _FIXED.get(name):
                raise UnsureError(name)
        if not _FIXED.keys() <= alembic.keys():
            raise UnsureError("alembic.ini leaves a setting to pyproject.toml")
        own = parser[SECTION]
        env_file = own.get("env_file", "")
        if not env_file:
            raise UnsureError("env_file")
        return cls(
            versions=config_file.parent / "migrations" / "versions",
            env_file=config_file.parent / env_file,
            table=own.get("version_table", VERSION_TABLE),
            schema=own.get("version_table_schema", ""),
            default_schema=own.get("default_schema", "").strip(),
        )


def require_agreement(
    project: "Project", config_file: Path, *, table: str, schema: str | None, url: "URL | None"
) -> None:
    """Refuse to run if the fast path looked elsewhere than the command does.

    Args:
        project: the project.
        config_file: alembic.ini.
        table: the version table that env.py has configured.
        schema: its schema.
        url: of the database that the command works on, if it is the one of the settings.

    Raises:
        ConfigurationError: the text names what differs and the setting in alembic.ini.
    """
    try:
        declared = Declaration.read(config_file)
    except Exception:
        return  # whatever it is, the fast path steps aside as well
    where = f"[{SECTION}] in {config_file}"
    way_out = f"Or remove env_file from {where}: `db migrate` then always runs `upgrade head`."
    if (declared.table, declared.schema) != (table, schema or ""):
        raise ConfigurationError(
            f"migrations/env.py keeps the version table in {_qualified(table, schema)}, and {where} "
            f"declares {_qualified(declared.table, declared.schema)}, where `db migrate` would look. "
            f"Set version_table and version_table_schema there to the same. {way_out}"
        )
    if difference := _difference(project, declared.env_file, url):
        raise ConfigurationError(
            f"`db migrate` reads the DB_* settings from the environment, {declared.env_file} and the "
            f"secrets ({where}), and does not find the same as the project: {difference} differs. "
            f"Let the project read the settings in the same way. {way_out}"
        )


def _difference(project: "Project", env_file: Path, url: "URL | None") -> str:
    """What the project reads in another way; empty if nothing differs."""
    from alembic_live.settings import DatabaseSettings

    settings = project.settings
    if settings is None:
        return "the address of the database"
    own, library = type(settings), DatabaseSettings
    for name, field in library.model_fields.items():
        if name == NAME and not is_needed(settings.given):
            continue  # the service may have a field of that name
        if own.model_fields[name].default != field.default:
            return f"the default of {name}"
    for name in ("env_prefix", "case_sensitive", "env_ignore_empty", "env_file_encoding"):
        if own.model_config.get(name) != library.model_config.get(name):
            return f"{name} of {own.__name__}"
    if url is None:
        return ""
    try:
        plain = read_migration_address(env_file)
    except (UnsureError, OSError, UnicodeDecodeError):
        return ""  # the fast path steps aside
    address = project.migration_address
    names = [
        field.name
        for field in fields(plain)
        if field.compare and getattr(plain, field.name) != getattr(address, field.name)
    ]
    used = (
        url.host or url.query.get("host"),
        url.port,
        url.username,
        url.password or "",
        url.database,
    )
    if used != (address.host, address.port, address.user, address.password, address.name):
        names.append("sqlalchemy.url")
    return ", ".join(names)


def _qualified(table: str, schema: str | None) -> str:
    return f"{schema}.{table}" if schema else table


def _require_no_settings(path: Path) -> None:
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8")
    if _ALEMBIC.search(text):
        import tomllib

        tool: Any = tomllib.loads(text).get("tool", {})
        if "alembic" in tool:
            raise UnsureError(str(path))
