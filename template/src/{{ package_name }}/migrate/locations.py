"""Where the history is: the folder of its files, and its table in the database. Commands that write
work with one folder and one table, and refuse any other.
"""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from ..database.schema import SCHEMA
from ..paths import PROJECT_ROOT, relative
from .command import run_command
from .revision_files import VERSIONS
from .schema_dump import VERSION_TABLE

INI, TOML = PROJECT_ROOT / "alembic.ini", PROJECT_ROOT / "pyproject.toml"


class OtherVersionTableError(CommandError):
    """env.py tells Alembic to use another version table than the commands do."""


def require_usual_files(config: Config, *, instead: str) -> None:
    """
    Args:
        config: the command's.
        instead: what works where Alembic looks for revisions elsewhere.

    Raises:
        CommandError: Alembic looks for revisions elsewhere, or for others too; the text names the
            setting, and the file that it is in.
    """
    setting = _unusual_setting(config)
    if setting:
        raise CommandError(
            f"{setting}, and this command works on the files of {relative(VERSIONS)} only, so it "
            f"would miss revisions. Nothing was done. {instead}"
        )


def require_usual_version_table(connection: Connection, *, instead: str) -> None:
    """Run env.py up to where it configures Alembic for a connection.

    Args:
        connection: without a transaction in progress. No statement is executed.
        instead: what works where Alembic has another version table.

    Raises:
        OtherVersionTableError: it names another version table, or another schema for it.
    """
    configured = run_command(_configure, connection=connection)
    default = connection.dialect.default_schema_name
    table = configured.version_table
    schema = configured.version_table_schema or default
    if (table, schema) != (VERSION_TABLE, SCHEMA or default):
        raise OtherVersionTableError(
            "migrations/env.py sets version_table or version_table_schema: Alembic keeps its "
            f"revisions in {schema}.{table}, and this command knows {SCHEMA or default}."
            f"{VERSION_TABLE} only. Nothing was done. {instead}".rstrip()
        )


def _unusual_setting(config: Config) -> str | None:
    """A clause that names the first one, if there is one."""
    file = Path(config.config_file_name or "")
    if file.resolve() != INI:
        return f"The command line or ALEMBIC_CONFIG names {file} in place of alembic.ini"
    if config.config_ini_section != "alembic":
        return f"--name chooses section [{config.config_ini_section}] of alembic.ini"
    # In another folder Alembic reads that folder's pyproject.toml, or none.
    return _unusual_in(config) or _unusual_in(Config(INI, toml_file=TOML))


def _unusual_in(config: Config) -> str | None:
    script = ScriptDirectory.from_config(config)
    setting = None
    if Path(script.dir).resolve() != VERSIONS.parent:
        setting = "script_location"
    elif len(script.version_locations) > 1 or Path(script.versions).resolve() != VERSIONS:
        if not script.version_locations:
            return f"{relative(VERSIONS)} is a symbolic link"
        setting = "version_locations"
    elif script.recursive_version_locations:
        setting = "recursive_version_locations"
    elif script.sourceless:
        setting = "sourceless"
    if setting is None:
        return None
    file = INI if config.file_config.has_option("alembic", setting) else TOML
    return f"{relative(file)} sets {setting}"


class _Configured(BaseException):
    """What is known when env.py has configured Alembic. The rest of env.py is not run: no revision
    is loaded, and nothing is read from the database.
    """

    def __init__(self, context: MigrationContext) -> None:
        super().__init__()
        self.context = context


def _configure(config: Config) -> MigrationContext:
    folder = ScriptDirectory.from_config(config).dir
    nowhere = ScriptDirectory(folder, version_locations=[str(Path(folder) / "no such folder")])
    environment = EnvironmentContext(config, nowhere)
    configure = environment.configure

    def stop_after(*arguments: object, **options: object) -> None:
        configure(*arguments, **options)  # type: ignore[arg-type]
        raise _Configured(environment.get_context())

    setattr(environment, "configure", stop_after)  # noqa: B010
    with environment:
        try:
            nowhere.run_env()
        except _Configured as reached:
            return reached.context
    raise CommandError("migrations/env.py ends without context.configure(…), so nothing was done.")
