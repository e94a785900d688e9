"""The server for development: one in each project's folder, which keeps its data."""

import os
import secrets
from pathlib import Path

from alembic.util import CommandError
from dotenv import dotenv_values

from alembic_live.address import LOOPBACK, Address
from alembic_live.database_url import NAME
from alembic_live.postgres import databases
from alembic_live.postgres.local.account import server_account
from alembic_live.postgres.local.cluster import Cluster, free_port
from alembic_live.postgres.local.lock import exclusive
from alembic_live.project import Project
from alembic_live.settings import DatabaseSettings

FOLDER = ".postgres"
LOCK = ".postgres.lock"
STATE = Path("/var/lib")  # only root can write to it


def start_server(project: Project) -> str:
    """Start the server if it does not run, and create the role and the database of the project's
    address. Missing DB_* settings are added to `.env`.

    Returns:
        What was done, in lines.

    Raises:
        CommandError: the server does not start, or the address is on another machine.
        ConfigurationError: a setting is wrong, or a project without DB_* settings has no address.
    """
    with exclusive(project.folder / LOCK):
        cluster = _cluster(project)
        if project.settings is None:
            return "\n".join(_started(project, cluster, _local(project.migration_address)))
        # Another start may have written the file since the project was loaded.
        settings = type(project.settings).load()
        env_file = settings.env_file() or project.folder / ".env"
        added = _missing_values(project, settings, cluster)
        done = _started(project, cluster, type(settings).load(**added).address)
        if added:
            _add_to_env_file(env_file, added)
            done.append(f"Added {', '.join(added)} to {project.relative(env_file)}.")
    return "\n".join(done)


def stop_server(folder: Path) -> str:
    """Stop the server of a project. Its data are kept. The settings are not read, so this works
    even if one of them is wrong.

    Args:
        folder: the folder of the project.

    Returns:
        What was done, as a sentence.

    Raises:
        CommandError: the server does not stop.
    """
    with exclusive(folder / LOCK):
        cluster = Cluster((folder / FOLDER).resolve())
        was_running = cluster.is_running
        cluster.stop()
    return "Postgres is stopped." if was_running else "Postgres was not running."


def _started(project: Project, cluster: Cluster, address: Address) -> list[str]:
    was_running = cluster.is_running
    port = f"the port in {address.origin}" if address.origin else "DB_PORT"
    if not was_running:
        cluster.start(address.host, address.port, setting=port)
    elif cluster.admin_address.port != address.port:
        raise CommandError(
            f"The server runs on port {cluster.admin_address.port}, but {port} is {address.port}. "
            "Run `uv run db stop`, then start it again."
        )
    folder = project.relative(cluster.folder)
    return [
        f"Postgres {'was already running' if was_running else 'is running'}: {address}.",
        f"Its files are in {folder}. `uv run db stop` stops it and keeps the data.",
        *databases.provide(cluster.admin_address, address),
    ]


def _local(address: Address) -> Address:
    """The address, after a check that this command can start its server.

    Raises:
        CommandError: the address is on another machine, or has no user or password.
    """
    if address.host not in LOOPBACK:
        raise CommandError(
            f"The host in {address.origin} is {address.host or 'missing'}, but `db start` starts "
            f"servers on {LOOPBACK[0]} only. Nothing was started. For a local server, write "
            f"postgresql+{address.driver}://me:secret@{LOOPBACK[0]}:5433/{address.name or 'mine'}"
        )
    missing = [
        name
        for name, value in (("a user", address.user), ("a password", address.password))
        if not value
    ]
    if missing:
        raise CommandError(
            f"{' and '.join(missing).capitalize()} must be in {address.origin}: the server that "
            "`db start` starts needs them. Nothing was started."
        )
    return address


def _cluster(project: Project) -> Cluster:
    """The project's cluster, in the folder `.postgres`. If root's project is in a private folder,
    the server's account cannot enter it. Then `.postgres` is a link to a folder in STATE.
    """
    account = server_account()
    folder = project.folder / FOLDER
    if not folder.exists() and not account.can_enter(project.folder):
        folder.unlink(missing_ok=True)
        folder.symlink_to(STATE / f"postgres-{project.folder.name}-{secrets.token_hex(6)}")
    return Cluster(folder.resolve())


def _missing_values(
    project: Project, settings: DatabaseSettings, cluster: Cluster
) -> dict[str, str]:
    """A value for each missing setting of the address."""
    host = settings.DB_HOST or LOOPBACK[0]
    if host not in LOOPBACK:
        url = settings.database_url
        where = f" (from {NAME})" if url and url.values.get("DB_HOST") == host else ""
        raise CommandError(
            f"DB_HOST is {host}{where}, but `db start` starts servers on this machine only. Nothing was "
            f"started. For a local server, set DB_HOST={LOOPBACK[0]} or unset the DB_* settings."
        )
    example = dotenv_values(project.folder / ".env.example")
    values = {
        "DB_HOST": host,
        "DB_PORT": str(cluster.admin_address.port if cluster.is_running else free_port(host)),
        "DB_USER": example.get("DB_USER") or "postgres",
        "DB_PASSWORD": secrets.token_urlsafe(24),
        "DB_NAME": example.get("DB_NAME") or project.name,
    }
    return {name: value for name, value in values.items() if not getattr(settings, name)}


def _add_to_env_file(path: Path, values: dict[str, str]) -> None:
    """Append settings to a file, which only its owner can read."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = [f"{name}={_dotenv_value(value)}" for name, value in values.items()]
    separator = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with open(descriptor, "a", encoding="utf-8") as file:
        file.write("\n".join([f"{separator}# Added by `db start`:", *lines, ""]))


def _dotenv_value(value: str) -> str:
    """The value in a form that python-dotenv and `docker compose` both read."""
    if value.replace("_", "").replace("-", "").replace(".", "").isalnum() and value.isascii():
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + escaped.replace("${", "${:-$}{") + "'"  # python-dotenv expands it in any quotes
