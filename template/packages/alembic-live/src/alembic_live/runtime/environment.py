"""`run_migrations`: what env.py runs. It sets up logging, models, engine and readable errors."""

import logging
import re
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from alembic import context
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, engine_from_config
from sqlalchemy.exc import ArgumentError, SAWarning
from sqlalchemy.pool import NullPool

from alembic_live.address import FORM
from alembic_live.engines import connect_to
from alembic_live.errors import ConfigurationError
from alembic_live.history.graph import require_sound
from alembic_live.internals import alembic as internals_of_alembic
from alembic_live.internals import require
from alembic_live.internals import sqlalchemy as internals_of_sqlalchemy
from alembic_live.interruption import ended_by_signals
from alembic_live.models import load_models
from alembic_live.other_models import left_out_models
from alembic_live.postgres.connection import with_connection
from alembic_live.postgres.remedies import ORIGIN
from alembic_live.postgres.session_start import start_sessions
from alembic_live.project import Project
from alembic_live.runtime.apply import apply
from alembic_live.runtime.declaration import require_agreement
from alembic_live.runtime.explanations import readable_errors
from alembic_live.runtime.garbage import without_garbage_collection
from alembic_live.runtime.logs import configure_logging
from alembic_live.runtime.offline import written_script
from alembic_live.runtime.program import command_of, compares, may_write

log = logging.getLogger("alembic.autogenerate")

Configure = Callable[[Connection | None], None]

_TWICE = re.compile(r"configure\(\) got multiple values for keyword argument '(\w+)'")


def run_migrations(project: Project, configure: Configure) -> None:
    """Run Alembic's command: with locks, retries and time limits if it changes the database.

    The connection is `config.attributes["connection"]` (a Connection, an Engine or an AsyncEngine)
    if a program has set that, else one to the project's database.

    Args:
        project: the project.
        configure: calls `context.configure()` for a connection, or for None with `--sql`.

    Raises:
        CommandError: an error that the user can correct; Alembic prints its text without a traceback.
    """
    config = context.config
    if config.config_file_name is not None:
        # The project that env.py imports does not know its alembic.ini.
        project = project.located(Path(config.config_file_name))

    is_the_program = config.cmd_opts is not None

    def migrate(connection: Connection | None) -> None:
        _configure(configure, connection)
        _require_agreement(project, config, connection if is_the_program else None)
        apply(project)

    # The garbage collection stops for a comparison only. A revision may read many rows, and leave
    # garbage in cycles.
    may_grow = is_the_program and compares(config)
    with (
        ended_by_signals() if is_the_program else nullcontext(),
        readable_errors(),
        warnings.catch_warnings(),
        without_garbage_collection() if may_grow else nullcontext(),
    ):
        configure_logging(config)
        require([*internals_of_alembic.MIGRATION, *internals_of_sqlalchemy.MIGRATION])
        require_sound(context.script)
        if compares(config):  # no other command needs the models
            load_models(project)
            _require_every_model(project, config)
            # SQLAlchemy warns about a type that it does not know. Such a type is compared by its name.
            warnings.filterwarnings("ignore", "Did not recognize type", SAWarning)
            # It reflects NOT VALID and NO INHERIT of a check as an option that it does not take.
            warnings.filterwarnings("ignore", "Can't validate argument", SAWarning)
            # Autogenerate adds the foreign keys of a cycle after the tables.
            warnings.filterwarnings("ignore", "Cannot correctly sort tables", SAWarning)
        if context.is_offline_mode():
            with written_script(project, config) if is_the_program else nullcontext():
                migrate(None)
        else:
            _run_online(project, config, migrate)


def _configure(configure: Configure, connection: Connection | None) -> None:
    """Call the function of env.py.

    Raises:
        ConfigurationError: it gives an argument to `context.configure` that `options` has too.
    """
    try:
        configure(connection)
    except TypeError as error:
        found = _TWICE.search(str(error))
        if found is None:
            raise
        raise ConfigurationError(
            f"context.configure() gets {found[1]} twice: env.py gives it, and alembic_live.options() "
            f"has it too. Give it to options only: alembic_live.options(project, {found[1]}=…)"
        ) from error


def _require_every_model(project: Project, config: Config) -> None:
    """
    Raises:
        CommandError: `check` would not see the tables of some models. Other commands log a warning.
    """
    problems = " ".join(left_out_models(project))
    if problems and command_of(config) == "check":
        raise CommandError(problems)
    if problems:
        log.warning("%s", problems)


def _require_agreement(project: Project, config: Config, connection: Connection | None) -> None:
    """The fast path of `db migrate` has to look where this command works.

    Args:
        project: the project.
        config: Alembic's.
        connection: None if a program calls Alembic: it may have changed the environment since it
            read the settings.
    """
    if config.config_file_name is None:
        return
    migration = context.get_context()
    has_own_engine = config.attributes.get("connection") is None
    require_agreement(
        project,
        Path(config.config_file_name),
        table=migration.version_table,
        schema=migration.version_table_schema,
        url=connection.engine.url if connection and has_own_engine else None,
    )


def _run_online(project: Project, config: Config, migrate: Callable[[Connection], None]) -> None:
    given = config.attributes.get("connection")
    given = getattr(given, "sync_engine", given)  # of an AsyncEngine
    if isinstance(given, Connection):
        if may_write(config):
            _require_idle(given)
        _require_transactions(given)
        migrate(given)
    elif isinstance(given, Engine):

        def migrate_in_transactions(connection: Connection) -> None:
            _require_transactions(connection)
            migrate(connection)

        with_connection(given, migrate_in_transactions)
    elif given is None:
        engine = _engine(project, config)
        try:
            with_connection(engine, migrate)
        finally:
            engine.dispose()
    else:
        raise CommandError(
            f'config.attributes["connection"] is {type(given).__name__}; it takes a Connection, '
            "an Engine or an AsyncEngine. From async code: await connection.run_sync(...)."
        )


def _require_idle(connection: Connection) -> None:
    """Alembic leaves an open transaction to its caller: it logs "Running upgrade" and succeeds, but
    its work is lost unless the caller commits.
    """
    if connection.in_transaction():
        raise CommandError(
            'The connection in config.attributes["connection"] is in a transaction already, so '
            "Alembic would not commit what it does. Commit or roll back before the command, and "
            "connect with engine.connect() rather than engine.begin()."
        )


def _require_transactions(connection: Connection) -> None:
    """In autocommit mode a failed revision would leave a part of its work."""
    dbapi_connection = connection.connection.dbapi_connection
    assert dbapi_connection is not None
    if connection.dialect.detect_autocommit_setting(dbapi_connection):
        raise CommandError(
            'The connection in config.attributes["connection"] is in AUTOCOMMIT, so a revision that '
            "fails would leave its first half behind. Give one without that isolation level."
        )


def _engine(project: Project, config: Config) -> Engine:
    """The engine of the project, else of alembic.ini's URL."""
    if project.engine is not None:
        engine = project.make_engine()
        return engine if isinstance(engine, Engine) else engine.sync_engine
    address = project.migration_address
    connect_args = address.connect_args({"application_name": f"{project.name} migrations"})
    options: dict[str, Any] = config.get_section(config.config_ini_section, {})
    if project.url is not None or project.is_moved:
        options["sqlalchemy.url"] = address.url
    try:
        engine = engine_from_config(
            options, poolclass=NullPool, connect_args=connect_args, hide_parameters=True
        )
    except (ArgumentError, ValueError) as error:  # the text may quote the URL with its password
        way_out = (
            "Write it as the template does, with %(DB_USER)s and the like: env.py fills in the DB_* "
            "settings."
            if project.settings
            else f"Its form is {FORM}; a percent sign in it is written %%."
        )
        raise CommandError(
            f"SQLAlchemy cannot read sqlalchemy.url in alembic.ini ({type(error).__name__}). {way_out}"
        ) from None
    engine.update_execution_options(**{ORIGIN: address.origin})
    connect_to(engine, address)
    start_sessions(engine, address, jit="off")  # it slows down the catalog queries of a comparison
    return engine
