"""The pytest plugin: a server, a database for each worker, and short errors.

Load it with `-p alembic_live.testing.plugin` in pytest's `addopts`, so that it sets the DB_*
variables before any conftest.py imports the project.
"""

import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alembic_live.testing import environment
from alembic_live.testing.environment import address_for_tests as address_for_tests

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

    from alembic_live.address import Address
    from alembic_live.project import Project
    from alembic_live.testing.rolled_back import RolledBack

CONFIG = "alembic_config"  # pytest's settings
SINCE = "alembic_since"

NO_SUCH_DATABASE = "3D000"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
NO_DATABASE = (
    "This test connects to the database of the tests, which only the fixture `database` creates. "
    "Request this fixture, or one that uses it."
)

environment.set_variables()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's settings."""
    parser.addini(
        CONFIG, "The project's alembic.ini. Default: the nearest one, from rootdir upwards."
    )
    parser.addini(SINCE, "A revision: the gates test the later ones only. Default: all revisions.")


def pytest_unconfigure() -> None:
    """Close the connections of tests, and remove the temporary server."""
    if used := sys.modules.get("alembic_live.testing.rolled_back"):
        used.close()
    environment.remove_server()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show errors that explain themselves without a traceback. If a test cannot connect, say which
    fixture it needs.
    """
    from alembic.util import CommandError

    from alembic_live.errors import ConfigurationError
    from alembic_live.printable import as_typed

    report = yield
    if call.excinfo and call.excinfo.errisinstance((CommandError, ConfigurationError)):
        report.longrepr = as_typed(f"{call.excinfo.value}")
    if call.excinfo and _lacks_the_database(item, call.excinfo.value):
        report.sections.append(("alembic-live", NO_DATABASE))
    return report


def _lacks_the_database(item: pytest.Item, error: BaseException) -> bool:
    """Whether a test cannot connect because no fixture has created its database."""
    from alembic_live.postgres.explanations import sqlstate

    if "database" in getattr(item, "fixturenames", ()):
        return False
    cause: BaseException | None = error
    while cause and not isinstance(cause, OSError) and sqlstate(cause) != NO_SUCH_DATABASE:
        cause = cause.__cause__ or cause.__context__
    return cause is not None


@pytest.fixture(scope="session")
def alembic_project(pytestconfig: pytest.Config) -> "Project":
    """The project in pytest's setting `alembic_config` or in the nearest alembic.ini, with the
    database of the tests.
    """
    from alembic_live.alembic_ini import find_config_file
    from alembic_live.project import load_project

    named = str(pytestconfig.getini(CONFIG))
    found = pytestconfig.rootpath / named if named else find_config_file(pytestconfig.rootpath)
    assert found is not None, (
        f"There is no alembic.ini in {pytestconfig.rootpath} or above it. Set its path in pytest's "
        f'settings: {CONFIG} = "path/to/alembic.ini"'
    )
    project = load_project(Path(found))
    if project.settings is not None:  # the settings have read the variables
        return project
    return project.on(environment.address_for_tests(project.driver))


@pytest.fixture(scope="session")
def server(alembic_project: "Project") -> "Address":
    """The address of the server for the databases of tests."""
    environment.start_server()
    return alembic_project.migration_address


@pytest.fixture(scope="session")
def database(alembic_project: "Project", server: "Address") -> "Iterator[Address]":
    """The address of this worker's database, at the newest revision. The DB_* settings have this
    address. In a project without them, create the engine from it: `create_engine(database.url)`.
    """
    from alembic_live.testing.databases import migrated_database

    original = server.name.rpartition("_")[0]
    with migrated_database(alembic_project, server, original, server.name) as address:
        yield address


@pytest.fixture
def empty_database(server: "Address") -> "Iterator[Address]":
    """The address of an empty database."""
    from alembic_live.testing import databases

    with databases.empty_database(server, f"{server.name}_empty") as address:
        yield address


@pytest.fixture
def copied_database(server: "Address", database: "Address") -> "Iterator[Address]":
    """The address of another database at the newest revision. The test may change it."""
    from alembic_live.testing import databases

    original = database.name.rpartition("_")[0]
    with databases.copied_database(server, original, f"{server.name}_copy") as address:
        yield address


def rolled_back(
    engine: "AsyncEngine", *factories: "async_sessionmaker[AsyncSession]"
) -> "RolledBack":
    """A session of the first factory, by `with` or `async with`. Inside the block, the sessions of all
    factories share a transaction. It is rolled back after the block, with everything that they
    committed. The sessions may belong to any event loop and thread.
    """
    from alembic_live.testing.rolled_back import RolledBack

    return RolledBack(engine, *factories)


def committing(
    engine: "AsyncEngine",
    database: "Address",
    *factories: "async_sessionmaker[AsyncSession]",
) -> "AbstractContextManager[AsyncEngine]":
    """An engine on a database. Inside the block, the factories create sessions there, which commit,
    each on its own connection. The sessions may belong to any event loop and thread.
    """
    from alembic_live.testing import committing

    return committing.committing(engine, database, *factories)
