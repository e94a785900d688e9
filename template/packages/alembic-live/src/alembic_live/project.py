"""`Project`: what the library has to know about a service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from alembic_live.address import Address
from alembic_live.alembic_ini import (
    INI,
    SECTION,
    add_to_path,
    default_schema_in,
    find_folders,
    package_config_file,
    read_ini,
    target_in,
    url_in,
)
from alembic_live.engines import address_of
from alembic_live.errors import ConfigurationError
from alembic_live.limits import Limits, PoolSize
from alembic_live.passwords import Answer, of_function

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import URL, Engine, MetaData, Table
    from sqlalchemy.ext.asyncio import AsyncEngine

    from alembic_live.settings import DatabaseSettings

Given = TypeVar("Given")
Pooler = Literal["", "none", "session", "transaction"]

HEAD_FILE = "head.txt"
EXAMPLE = f"[{SECTION}]\nproject = my_service.database:project"


class Project:
    """A service's metadata, models and database. Every command starts from it.

    The database is that of the settings, of the URL or of the engine, whichever is given. Without
    any of them it is that of `sqlalchemy.url` in alembic.ini.
    """

    def __init__(
        self,
        *,
        metadata: MetaData | Sequence[MetaData],
        models: str | Sequence[str] = (),
        other_models: str | Sequence[str] = (),
        settings: DatabaseSettings | None = None,
        url: URL | str | Callable[[], URL | str] | None = None,
        engine: Callable[[], Engine | AsyncEngine] | None = None,
        limits: Limits | None = None,
        pooler: Pooler | None = None,
        password: Callable[[Address], Answer] | None = None,
        name: str = "",
    ) -> None:
        """
        Args:
            metadata: the MetaData of the models, or several.
            models: the packages or modules that define the models. All modules in a package are
                imported before the models are compared.
            other_models: packages or modules whose tables another database has, or another project
                migrates. Without this, `alembic check` fails if the project's packages have a model
                that no revision concerns.
            settings: the DB_* settings.
            url: the URL of the database, or a function that returns it.
            engine: a function that returns an engine for migrations. Its pool is not used.
            limits: the limits of a migration. Default: those of the settings, else `Limits()`.
            pooler: the mode of a pooler between migrations and the server. Default:
                DB_MIGRATION_POOLER, else DB_POOLER.
            password: a function that returns the password for an address, where neither the settings
                nor the URL have one; or a pair of it and the seconds for which it can be kept. Each
                new connection asks it, in a thread if the driver is async.
            name: what connections are called in pg_stat_activity. Default: the package of the models.
        """
        if sum(given is not None for given in (settings, url, engine)) > 1:
            raise ConfigurationError(
                "Project() takes one of settings, url and engine, and several are given."
            )
        self.metadata = metadata
        self.models = (models,) if isinstance(models, str) else tuple(models)
        self.other_models = (
            (other_models,) if isinstance(other_models, str) else tuple(other_models)
        )
        self.settings = settings
        self.url = url
        self.engine = engine
        self.limits = limits or (settings.limits if settings else Limits())
        self.pool = settings.pool if settings else PoolSize()
        self.pooler: Pooler = pooler or (settings.DB_POOLER if settings else "")
        of_migrations = settings.DB_MIGRATION_POOLER if settings and not pooler else ""
        self.migration_pooler: Pooler = of_migrations or self.pooler
        self.password = password and of_function(password)
        self.name = name or (self.models[0].partition(".")[0] if self.models else "alembic")
        self._config_file: Path | None = None
        self._address: Address | None = None

    def __repr__(self) -> str:
        return f"<Project {self.name}>"

    def located(self, config_file: Path) -> Self:
        """The same project with the alembic.ini that it was found through."""
        project = copy(self)
        project._config_file = config_file.resolve()
        return project

    def on(self, address: Address) -> Self:
        """The same project with another database. `run_command` connects there, whatever env.py says."""
        project = copy(self)
        project._address = replace(address, default_schema=self.default_schema)
        project.settings, project.url, project.engine = None, None, None
        project.pooler = project.migration_pooler = "none"
        return project

    # The models

    @property
    def metadatas(self) -> tuple[MetaData, ...]:
        """The metadata as a sequence."""
        from sqlalchemy import MetaData

        return (self.metadata,) if isinstance(self.metadata, MetaData) else tuple(self.metadata)

    @property
    def tables(self) -> list[Table]:
        """The tables of the models, in the order in which they can be created. Tables that refer to
        each other are in the order of their names, without the warning of `sorted_tables`.
        """
        from sqlalchemy.schema import sort_tables_and_constraints

        found: list[Table] = []
        for metadata in self.metadatas:
            by_name = sorted(metadata.tables.values(), key=lambda table: table.key)
            ordered = sort_tables_and_constraints(by_name)  # type: ignore[no-untyped-call]
            found += [table for table, _ in ordered if table is not None]
        return found

    @property
    def schema(self) -> str | None:
        """The schema of the first metadata; None is the first on the search path."""
        return self.metadatas[0].schema

    @property
    def schemas(self) -> list[str | None]:
        """The schemas of the metadata, and of the tables as far as their models are imported. The
        first is that of the first metadata. None is the first on the search path.
        """
        names = [metadata.schema for metadata in self.metadatas]
        names += sorted({table.schema for table in self.tables if table.schema})
        return list(dict.fromkeys(names))

    # The database

    @property
    def migration_address(self) -> Address:
        """The address that migrations connect to.

        Raises:
            ConfigurationError: it is not known; the text says what is missing.
        """
        if self._address is not None:
            return self._address
        named = self._named_address
        schema = "" if named.sets_search_path else self.default_schema
        return replace(named, default_schema=schema)

    @property
    def default_schema(self) -> str:
        """The schema of tables whose models name none; empty if it is the first on the search path
        that the server sets.

        It is empty for a project without an alembic.ini, or with one that cannot be read.
        """
        with suppress(ConfigurationError):
            return default_schema_in(self.config_file)
        return ""

    @property
    def _named_address(self) -> Address:
        if self.settings is not None:
            return self._with_password(self.settings.migration_address)
        if self.engine is not None:
            return address_of(self.make_engine(), "Project(engine=…)")
        if self.url is not None:
            origin = "the URL of Project(url=…)"
            url = _called(self.url, origin) if callable(self.url) else self.url
            return self._with_password(Address.from_url(url, origin))
        origin = f"sqlalchemy.url in {self.config_file.name}"
        return self._with_password(Address.from_url(url_in(self.config_file), origin))

    def _with_password(self, address: Address) -> Address:
        known = address.password or address.password_source
        return address if known else replace(address, password_source=self.password)

    def make_engine(self) -> Engine | AsyncEngine:
        """What the function in `engine` returns.

        Raises:
            ConfigurationError: it raises.
        """
        assert self.engine is not None
        return _called(self.engine, "Project(engine=…)")

    @property
    def application_address(self) -> Address:
        """The address that the application connects to.

        Raises:
            ConfigurationError: it is not known; the text says what is missing.
        """
        if self.settings is None:
            return self.migration_address
        return self._with_password(self.settings.address)

    @property
    def read_address(self) -> Address | None:
        """The address of `read_session()`; None if it is the application's.

        Raises:
            ConfigurationError: it is not known; the text says what is missing.
        """
        address = self.settings.read_address if self.settings else None
        return address and self._with_password(address)

    @property
    def is_moved(self) -> bool:
        """Whether `on()` has given it another database than env.py would connect to."""
        return self._address is not None

    @property
    def driver(self) -> str:
        """SQLAlchemy's name of the driver for migrations; asyncpg if the address is not known."""
        try:
            return self.migration_address.driver
        except ConfigurationError:
            return "asyncpg"

    def setting(self, name: str, value: str = "") -> str:
        """What a limit is called for the person who sets it: `DB_MIGRATION_LOCK_WAIT`, or
        `lock_wait in Project(limits=Limits(…))`.

        Args:
            name: the name of the limit in Limits.
            value: the value to set, if the text names one.
        """
        if self.settings is not None:
            return f"DB_MIGRATION_{name.upper()}{f'={value}' if value else ''}"
        return f"{name}{f'={value!r}' if value else ''} in Project(limits=Limits(…))"

    @property
    def migration_user(self) -> str:
        """The role that logs in to migrate, as far as it is set; it may be the application's."""
        if self.settings is not None:
            return self.settings.DB_MIGRATION_USER
        return self.migration_address.user

    @property
    def set_role(self) -> str:
        """The role that migrations take on after they have connected; empty if it is the user."""
        return self.settings.set_role if self.settings else ""

    def url_options(self) -> dict[str, str]:
        """The values of the `%(DB_…)s` in alembic.ini's URL. Empty if the address is not known: a
        command that connects then says what is missing.

        Raises:
            ConfigurationError: SQLAlchemy 2.0 cannot read the name of the database in a URL.
        """
        try:
            address = self.migration_address
        except ConfigurationError:
            return {}
        return address.url_options

    # The files

    @property
    def config_file(self) -> Path:
        """The alembic.ini: the one that the project was found through, else the one of the package that
        has the models.

        Raises:
            ConfigurationError: there is none.
        """
        if self._config_file is None and self.models:
            self._config_file = package_config_file(package := self.models[0].partition(".")[0])
            if self._config_file is None:
                raise ConfigurationError(
                    f"There is no {INI} in the package {package}, nor in a folder above it. Name the "
                    "file: load_project(Path(…)). A wheel can contain it: see docs/how-to/wheel.md of "
                    "alembic-live."
                )
        if self._config_file is None:
            raise ConfigurationError(f"This Project has no {INI} yet: load_project() gives it one.")
        return self._config_file

    @property
    def folder(self) -> Path:
        """The folder of alembic.ini."""
        return self.config_file.parent

    def relative(self, path: Path) -> str:
        """The path from the project's folder, if it is in there, with forward slashes."""
        inside = path.is_relative_to(self.folder)
        return path.relative_to(self.folder).as_posix() if inside else str(path)

    @property
    def config(self) -> Config:
        """Alembic's configuration, read from the file each time."""
        return config_of(self.config_file)

    @property
    def target(self) -> str:
        """What `db migrate` and `upgrade_to_head` upgrade to: `head` or `heads`.

        Raises:
            ConfigurationError: alembic.ini names something else.
        """
        return target_in(self.config_file)

    @property
    def script(self) -> ScriptDirectory:
        """The history of revisions, read from the files each time."""
        from alembic.script import ScriptDirectory

        return ScriptDirectory.from_config(self.config)

    @property
    def versions(self) -> Path:
        """The folder of revisions. `history.locations` knows all of them, if there are several.

        Raises:
            CommandError: there are several.
        """
        return Path(self.script.versions)

    @property
    def head_file(self) -> Path:
        """The file that names the newest revision."""
        return Path(self.script.dir) / HEAD_FILE


def config_of(config_file: Path) -> Config:
    """Alembic's configuration in an alembic.ini and in the pyproject.toml beside it."""
    from alembic.config import Config

    config = Config(config_file, toml_file=config_file.with_name("pyproject.toml"))
    find_folders(config)
    return config


def load_project(config_file: Path) -> Project:
    """The project that an alembic.ini names: `[alembic_live] project = module:attribute`.

    Raises:
        ConfigurationError: it names none, or what it names cannot be imported or is no `Project`.
    """
    parser = read_ini(config_file)
    named = parser.get(SECTION, "project", fallback="", raw=True).strip()
    module, _, attribute = named.partition(":")
    if not module or not attribute:
        raise ConfigurationError(
            f"{config_file} does not name the project. Add to it:\n\n{EXAMPLE}\n\nwhere `project` is "
            "an alembic_live.Project."
        )
    add_to_path(config_file)
    try:
        project = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise ConfigurationError(
                f"{config_file}: [{SECTION}] project names {named}, and there is no module {error.name}. "
                "Install the service (`uv sync`), or add its folder to prepend_sys_path."
            ) from None
        raise
    except AttributeError:
        raise ConfigurationError(
            f"{config_file}: [{SECTION}] project names {named}, and module {module} has no {attribute}."
        ) from None
    if not isinstance(project, Project):
        raise ConfigurationError(
            f"{config_file}: [{SECTION}] project names {named}, which is a "
            f"{type(project).__name__} and no alembic_live.Project."
        )
    return project.located(config_file)


def _called(function: Callable[[], Given], origin: str) -> Given:
    """The result of a function of the team.

    Raises:
        ConfigurationError: it raises an error; the text names the function.
    """
    try:
        return function()
    except ConfigurationError:
        raise
    except KeyError as error:
        raise ConfigurationError(
            f"The database is not known: the function in {origin} raises KeyError for {error}. Is it "
            "a variable that is not set?"
        ) from error
    except Exception as error:  # whose text may hold a password
        raise ConfigurationError(
            f"The database is not known: the function in {origin} raises {type(error).__name__}. "
            "Call it by itself to see why."
        ) from error
