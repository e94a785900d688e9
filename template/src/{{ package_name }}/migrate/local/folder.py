"""The folder of the server for development. Here nobody reads the settings: a server can be stopped
while one of them is wrong.
"""

from ...paths import PROJECT_ROOT
from .cluster import Cluster
from .lock import exclusive

FOLDER = PROJECT_ROOT / ".postgres"
LOCK = PROJECT_ROOT / ".postgres.lock"


def stop_server() -> str:
    """Stop the server; the data stay. Returns what was done, for people.

    Raises:
        CommandError: it does not stop.
    """
    with exclusive(LOCK):
        cluster = Cluster(FOLDER.resolve())
        was_running = cluster.is_running
        cluster.stop()
    return "Postgres is stopped." if was_running else "Postgres was not running."
