"""What env.py tells Alembic: where the revisions of a database are kept, and what is compared."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, Table, text

from alembic_live.address import Address
from alembic_live.internals.alembic import option
from alembic_live.models import load_models
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.relations import VersionTable
from alembic_live.project import Project
from alembic_live.runtime.program import run_command

TABLES = text(
    """
    SELECT n.nspname AS schema, c.relname AS name, n.nspname = current_schema() AS is_default,
           ARRAY(SELECT s.relname::text FROM pg_class s JOIN pg_depend d ON d.objid = s.oid
                 WHERE s.relkind = 'S' AND d.classid = 'pg_class'::regclass
                   AND d.refobjid = c.oid) AS sequences
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname !~ '^(pg_|information_schema$)'
    ORDER BY 1, 2
    """
)

_known: "WeakKeyDictionary[Project, Configuration]" = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Configuration:
    """The arguments of `context.configure` that commands follow."""

    version_table: VersionTable
    include_name: Callable[..., bool] | None
    include_object: Callable[..., bool] | None

    def includes(self, name: str, schema: str | None) -> bool:
        """Whether the team's include_name and include_object let a table of the database be compared.

        Args:
            name: the name of the table.
            schema: the schema of the table; None is the first on the search path.
        """
        parents = {
            "schema_name": schema,
            "table_name": name,
            "schema_qualified_table_name": f"{schema}.{name}" if schema else name,
        }
        asked = self.include_name
        if asked and schema is not None and not asked(schema, "schema", {}):
            return False
        if asked and not asked(name, "table", parents):
            return False
        table = Table(name, MetaData(), schema=schema)
        return not self.include_object or self.include_object(table, name, "table", True, None)

    def includes_model(self, table: Table) -> bool:
        """Whether the team's include_object lets the table of a model be compared."""
        asked = self.include_object
        return not asked or asked(table, table.name, "table", False, None)


def configuration_of(project: Project, connection: Connection) -> Configuration:
    """What env.py gives to `context.configure`. env.py runs once for a project, up to that call.

    Args:
        project: the project.
        connection: to any database, without a transaction in progress. No statement is executed.

    Raises:
        CommandError: env.py configures nothing.
    """
    if project not in _known:
        _known[project] = _of(run_command(project, _configure, connection=connection))
    return _known[project]


def configuration_offline(project: Project) -> Configuration:
    """What env.py gives to `context.configure` with `--sql`, which reaches no database."""
    return _of(run_command(project, _configure, as_sql=True))


def configuration_at(project: Project, database: Address) -> Configuration:
    """What env.py gives to `context.configure`. Connects to the database if env.py has not run yet."""
    if project not in _known:
        engine = make_engine(database)
        with_connection(engine, lambda connection: configuration_of(project, connection))
    return _known[project]


def tables_left_out(project: Project, database: Address) -> list[str]:
    """Options of pg_dump that leave out the tables that the team's include_name and include_object do.

    Args:
        project: the project.
        database: the database that has the tables.
    """
    configuration = configuration_at(project, database)
    if not (configuration.include_name or configuration.include_object):
        return []
    load_models(project)  # which the team's functions may ask
    rows = with_connection(
        make_engine(database), lambda connection: connection.execute(TABLES).all()
    )
    names = [
        name
        for row in rows
        if not configuration.includes(row.name, None if row.is_default else row.schema)
        for name in ((row.schema, row.name), *((row.schema, each) for each in row.sequences))
    ]
    return [f"--exclude-table={'.'.join(map(_quoted, name))}" for name in names]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _of(context: MigrationContext) -> Configuration:
    return Configuration(
        VersionTable(context.version_table, context.version_table_schema),
        option(context, "include_name"),
        option(context, "include_object"),
    )


class _Configured(BaseException):
    """Ends env.py after `context.configure()`: no revision is loaded, and nothing is read from the
    database.
    """

    def __init__(self, context: MigrationContext) -> None:
        super().__init__()
        self.context = context


def _configure(config: Config, *, as_sql: bool = False) -> MigrationContext:
    folder = ScriptDirectory.from_config(config).dir
    nowhere = ScriptDirectory(folder, version_locations=[str(Path(folder) / "no such folder")])
    environment = EnvironmentContext(config, nowhere, as_sql=as_sql)
    configure = environment.configure

    def stop_after(*arguments: Any, **options: Any) -> None:
        configure(*arguments, **options)
        raise _Configured(environment.get_context())

    setattr(environment, "configure", stop_after)  # noqa: B010
    with environment:
        try:
            nowhere.run_env()
        except _Configured as reached:
            return reached.context
    raise CommandError(
        f"{Path(folder) / 'env.py'} ends without context.configure(…), so nothing was done."
    )
