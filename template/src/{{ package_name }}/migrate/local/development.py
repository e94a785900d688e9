"""The server for development: one in each project's folder, which keeps its data."""

import secrets
from pathlib import Path

from alembic.util import CommandError

from ...config import ENV_FILE, Settings, load_settings
from ...database.address import LOOPBACK
from ...paths import PROJECT_ROOT
from .. import databases
from .account import server_account
from .cluster import Cluster, free_port
from .env_file import add_to_env_file, example_values
from .folder import FOLDER, LOCK
from .lock import exclusive

STATE = Path("/var/lib")  # only root can write to it


def start_server() -> str:
    """Start the server where it does not run, and make the role and the database of the settings;
    add to `.env` what the settings lack. Returns what was done, for people.

    Raises:
        CommandError: it does not start, or the settings lead to another machine.
        ConfigurationError: a setting is wrong.
    """
    with exclusive(LOCK):
        cluster = _settle()
        added = _missing_values(load_settings(), cluster)
        address = load_settings(**added).address
        was_running = cluster.is_running
        if not was_running:
            cluster.start(address.host, address.port)
        elif cluster.admin_address.port != address.port:
            raise CommandError(
                f"The server runs on port {cluster.admin_address.port}, and DB_PORT is "
                f"{address.port}. Run `uv run db stop`, then start it again."
            )
        done = databases.provide(cluster.admin_address, address)
        if added:
            add_to_env_file(ENV_FILE, added)
    lines = [
        f"Postgres {'runs already' if was_running else 'runs now'}: {address}.",
        f"Its files are in {_shown(cluster.folder)}; `uv run db stop` stops it, the data stay.",
        *done,
    ]
    if added:
        lines.append(f"Added {', '.join(added)} to {_shown(ENV_FILE)}.")
    return "\n".join(lines)


def _settle() -> Cluster:
    """The project's cluster. Its folder is `.postgres`; where the account of the server cannot
    enter that (a project of root's, in a private folder), `.postgres` points to one that it can.
    """
    account = server_account()
    if not FOLDER.exists() and not account.can_enter(PROJECT_ROOT):
        FOLDER.unlink(missing_ok=True)
        FOLDER.symlink_to(STATE / f"postgres-{PROJECT_ROOT.name}-{secrets.token_hex(6)}")
    return Cluster(FOLDER.resolve())


def _missing_values(settings: Settings, cluster: Cluster) -> dict[str, str]:
    """A value for each setting of the address that has none."""
    host = settings.DB_HOST or LOOPBACK[0]
    if host not in LOOPBACK:
        raise CommandError(
            f"DB_HOST is {host}, and `db start` runs servers on this machine only. Nothing was "
            f"started. For a local one, set DB_HOST={LOOPBACK[0]} or unset the DB_* settings."
        )
    example = example_values()
    values = {
        "DB_HOST": host,
        "DB_PORT": str(cluster.admin_address.port if cluster.is_running else free_port(host)),
        "DB_USER": example.get("DB_USER", "postgres"),
        "DB_PASSWORD": secrets.token_urlsafe(24),
        "DB_NAME": example.get("DB_NAME", __name__.partition(".")[0]),
    }
    return {name: value for name, value in values.items() if not getattr(settings, name)}


def _shown(path: Path) -> str:
    """The path from the project's folder, where it is in there."""
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)
