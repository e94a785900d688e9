"""What migrations/env.py does around `migrate`: logging, models, engine, readable errors."""

import warnings
from collections.abc import Callable
from contextlib import nullcontext

from alembic import context
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, engine_from_config
from sqlalchemy.exc import ArgumentError, SAWarning
from sqlalchemy.pool import NullPool

from ..database.keepalive import watch_clients
from .command import compares
from .connection import with_connection
from .errors import readable_errors
from .garbage import without_garbage_collection
from .history import require_sound
from .interruption import ended_by_signals
from .logs import configure_logging
from .models import load_models
from .url import fill_in_url

# How a connection that migrates is called in pg_stat_activity.
NAME = f"{__name__.partition('.')[0]} migrations"

Migrate = Callable[[Connection | None], None]


def run(migrate: Migrate) -> None:
    """Run Alembic's command through `migrate`: over a connection, or None for `--sql`.

    A connection comes from `config.attributes["connection"]` (a Connection, an Engine or an
    AsyncEngine) where a program has put one, else from the settings.

    Raises:
        CommandError: anything a person can mend; Alembic prints its text and no traceback.
    """
    config = context.config
    is_the_program = config.cmd_opts is not None
    # Not while revisions run: what they read from tables may be garbage in cycles.
    may_grow = is_the_program and compares(config)
    with (
        ended_by_signals() if is_the_program else nullcontext(),
        readable_errors(),
        warnings.catch_warnings(),
        without_garbage_collection() if may_grow else nullcontext(),
    ):
        configure_logging(config)
        require_sound(context.script)
        if compares(config):  # the other commands never look at the models
            load_models()
            # It is compared by its name, in a model that knows it.
            warnings.filterwarnings("ignore", "Did not recognize type", SAWarning)
        if context.is_offline_mode():
            migrate(None)
        else:
            _run_online(config, migrate)


def _run_online(config: Config, migrate: Migrate) -> None:
    given = config.attributes.get("connection")
    given = getattr(given, "sync_engine", given)  # an AsyncEngine's other half
    if isinstance(given, Connection):
        _require_idle(given)
        _require_transactions(given)
        migrate(given)
    elif isinstance(given, Engine):

        def migrate_in_transactions(connection: Connection) -> None:
            _require_transactions(connection)
            migrate(connection)

        with_connection(given, migrate_in_transactions)
    elif given is None:
        engine = _engine_from_settings(config)
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
    """Alembic takes an open transaction for its caller's: it logs "Running upgrade", exits 0,
    and what it did is gone unless the caller commits.
    """
    if connection.in_transaction():
        raise CommandError(
            'The connection in config.attributes["connection"] is in a transaction already, so '
            "Alembic would not commit what it does. Commit or roll back before the command, and "
            "connect with engine.connect() rather than engine.begin()."
        )


def _require_transactions(connection: Connection) -> None:
    """In autocommit a revision that fails would leave its first half behind."""
    dbapi_connection = connection.connection.dbapi_connection
    assert dbapi_connection is not None
    if connection.dialect.detect_autocommit_setting(dbapi_connection):
        raise CommandError(
            'The connection in config.attributes["connection"] is in AUTOCOMMIT, so a revision that '
            "fails would leave its first half behind. Give one without that isolation level."
        )


def _engine_from_settings(config: Config) -> Engine:
    """The engine of alembic.ini's URL, with the database of the settings in it."""
    from ..config import settings  # costs time, and a wrong value in it is an error

    address, driver = settings.migration_address, settings.migration_driver
    fill_in_url(config, address, driver)
    session = {"application_name": NAME}
    if settings.DB_POOLER != "session":  # which may refuse settings that it does not know
        session["jit"] = "off"  # it makes Postgres slower at the catalogue queries of a comparison
    connect_args = address.connect_args(driver, session)
    options = config.get_section(config.config_ini_section, {})
    try:
        engine = engine_from_config(
            options, poolclass=NullPool, connect_args=connect_args, hide_parameters=True
        )
    except (ArgumentError, ValueError) as error:  # it may quote the URL, with its password
        raise CommandError(
            f"SQLAlchemy cannot read sqlalchemy.url in alembic.ini ({type(error).__name__}). Write it as the "
            "template does, with %(DB_USER)s and the like: the DB_* settings fill it in."
        ) from None
    watch_clients(engine)
    return engine
