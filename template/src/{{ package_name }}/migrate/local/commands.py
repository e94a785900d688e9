"""`db start`, `db stop` and `db status`.

Each imports what it needs when it runs: every other command shares the command line with them,
and half of this does not exist on Windows.
"""

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.config import Config
from alembic.util import CommandError

from ...paths import PROJECT_ROOT

if TYPE_CHECKING:
    from ...config import Settings
    from .cluster import Cluster

FOLDER = PROJECT_ROOT / ".postgres"
LOCK = PROJECT_ROOT / ".postgres.lock"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def start(config: Config) -> None:
    """Start a local Postgres and create the database; what .env lacks is added to it."""
    _require_unix()
    from ...config import ENV_FILE, load_settings
    from .. import databases
    from .env_file import add_to_env_file
    from .lock import exclusive

    with exclusive(LOCK):
        cluster = _settle()
        added = _missing_values(load_settings(), cluster)
        wanted = load_settings(**added).address
        _require_local(wanted.host)
        was_running = cluster.is_running
        if not was_running:
            cluster.start(wanted.host, wanted.port)
        elif cluster.admin_address.port != wanted.port:
            raise CommandError(
                f"The server runs on port {cluster.admin_address.port}, and DB_PORT is "
                f"{wanted.port}. `uv run db stop`, then start it again."
            )
        databases.provide(cluster.admin_address, wanted)
        if added:
            add_to_env_file(ENV_FILE, added)
    _say(
        config,
        f"Postgres {'runs already' if was_running else 'runs now'}: {wanted}.",
        f"Its files are in {_shown(cluster.folder)}; `uv run db stop` stops it, the data stay.",
        *([f"Added {', '.join(added)} to {_shown(ENV_FILE)}."] if added else []),
    )


def stop(config: Config) -> None:
    """Stop the local Postgres; the data stay."""
    _require_unix()
    from .cluster import Cluster
    from .lock import exclusive

    with exclusive(LOCK):
        cluster = Cluster(FOLDER.resolve())
        was_running = cluster.is_running
        cluster.stop()
    _say(config, "Postgres is stopped." if was_running else "Postgres was not running.")


def status(config: Config) -> None:
    """Show the database that the settings lead to, its server and its revision."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection

    from ...config import settings
    from ...database.metadata import SCHEMA
    from ..connection import make_engine, with_connection

    address = settings.migration_address

    def work(connection: Connection) -> tuple[str, tuple[str, ...]]:
        version: str = connection.exec_driver_sql("SHOW server_version").scalar_one()
        migration = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
        return version, migration.get_current_heads()

    version, current = with_connection(make_engine(address, settings.migration_driver), work)
    heads = ScriptDirectory.from_config(config).get_heads()
    if not heads:
        revision = "none; there are no revisions yet"
    elif set(current) == set(heads):
        revision = f"{', '.join(current)} (head)"
    else:
        revision = f"{', '.join(current) or 'none'}; the head is {', '.join(heads)}"
    for name, value in {
        "database": address,
        "server": f"PostgreSQL {version}",
        "revision": revision,
    }.items():
        config.print_stdout(f"{name:<9} {value}")


def _settle() -> "Cluster":
    """The project's cluster. Its folder is `.postgres`; where the account of the server could
    not enter that (root's own projects), `.postgres` points to one that it can.
    """
    from .account import server_account
    from .cluster import Cluster

    account = server_account()
    if not FOLDER.exists() and not account.can_enter(PROJECT_ROOT):
        FOLDER.unlink(missing_ok=True)
        FOLDER.symlink_to(f"/var/tmp/postgres-{PROJECT_ROOT.name}-{secrets.token_hex(6)}")
    return Cluster(FOLDER.resolve())


def _missing_values(settings: "Settings", cluster: "Cluster") -> dict[str, str]:
    """A value for each setting of the address that has none."""
    from .cluster import free_port
    from .env_file import example_values

    host = settings.DB_HOST or LOOPBACK[0]
    example = example_values()
    values = {
        "DB_HOST": host,
        "DB_PORT": str(cluster.admin_address.port if cluster.is_running else free_port(host)),
        "DB_USER": example.get("DB_USER", "postgres"),
        "DB_PASSWORD": secrets.token_urlsafe(24),
        "DB_NAME": example.get("DB_NAME", __name__.partition(".")[0]),
    }
    return {name: value for name, value in values.items() if not getattr(settings, name)}


def _require_unix() -> None:
    if sys.platform == "win32":
        raise CommandError(
            "A local server needs Linux or macOS. On Windows, copy .env.example to .env and run "
            "`docker compose up --wait`."
        )


def _require_local(host: str) -> None:
    if host not in LOOPBACK:
        raise CommandError(
            f"DB_HOST is {host}, and `db start` runs servers on this machine only. Nothing was "
            f"started. For a local one set DB_HOST={LOOPBACK[0]}, or unset the DB_* settings."
        )


def _shown(path: Path) -> str:
    """The path from the project's folder, where it is in there."""
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)


def _say(config: Config, *lines: str) -> None:
    if not config.messaging_opts["quiet"]:
        print(*lines, sep="\n", file=sys.stderr)
