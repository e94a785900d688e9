"""Alembic for live Postgres databases: locks, retries and timeouts for migrations, revisions without
downtime, and commands and tests that check them.

`Project` tells the library about a service. env.py passes it to `options` and `run_migrations`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alembic_live.address import Address as Address
    from alembic_live.autogenerate.compare import options as options
    from alembic_live.errors import ConfigurationError as ConfigurationError
    from alembic_live.errors import ReadOnlyError as ReadOnlyError
    from alembic_live.limits import Limits as Limits
    from alembic_live.project import Project as Project
    from alembic_live.project import load_project as load_project
    from alembic_live.runtime.environment import run_migrations as run_migrations
    from alembic_live.runtime.logs import JsonFormatter as JsonFormatter
    from alembic_live.runtime.program import run_command as run_command
    from alembic_live.runtime.program import upgrade_to_head as upgrade_to_head
    from alembic_live.runtime.readiness import Readiness as Readiness
    from alembic_live.sessions import ReadOnlySession as ReadOnlySession
    from alembic_live.sessions import (
        create_application_engine as create_application_engine,
    )
    from alembic_live.sessions import reading_engine as reading_engine
    from alembic_live.settings import DatabaseSettings as DatabaseSettings

# Each name is imported on first use (PEP 562): a migration needs neither the ORM nor pytest.
_MODULES = {
    "Address": "address",
    "ConfigurationError": "errors",
    "DatabaseSettings": "settings",
    "JsonFormatter": "runtime.logs",
    "Limits": "limits",
    "Project": "project",
    "ReadOnlyError": "errors",
    "ReadOnlySession": "sessions",
    "Readiness": "runtime.readiness",
    "create_application_engine": "sessions",
    "load_project": "project",
    "options": "autogenerate.compare",
    "reading_engine": "sessions",
    "run_command": "runtime.program",
    "run_migrations": "runtime.environment",
    "upgrade_to_head": "runtime.program",
}

__all__ = [
    "Address",
    "ConfigurationError",
    "DatabaseSettings",
    "JsonFormatter",
    "Limits",
    "Project",
    "ReadOnlyError",
    "ReadOnlySession",
    "Readiness",
    "create_application_engine",
    "load_project",
    "options",
    "reading_engine",
    "run_command",
    "run_migrations",
    "upgrade_to_head",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
