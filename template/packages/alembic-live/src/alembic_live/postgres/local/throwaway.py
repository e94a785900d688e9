"""Temporary servers. Each belongs to one process, which removes it. The name of its folder contains
the process id, so the next temporary server removes those of killed processes.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alembic.util import CommandError

from alembic_live.address import Address
from alembic_live.postgres.local.cluster import Cluster, free_port
from alembic_live.postgres.local.machine import is_running, machine_id, temporary_base

HOST = "127.0.0.1"


@contextmanager
def throwaway_server() -> Iterator[Address]:
    """The address of a superuser on a temporary server of this process.

    Raises:
        CommandError: the server does not start; the text says why.
    """
    cluster = Cluster(new_folder(), throwaway=True)
    try:
        cluster.start(HOST, free_port(HOST))
        yield cluster.admin_address
    finally:
        cluster.remove()


def new_folder() -> Path:
    """The path for the folder of a temporary server of this process. It does not exist yet. What
    killed processes left is removed.
    """
    base = temporary_base()
    # Machines can share the folder for temporary files. Their process ids have nothing in common.
    prefix = f"alembic-live-{os.geteuid()}-{machine_id()}-"
    for folder in base.glob(f"{prefix}*"):
        pid = folder.name.removeprefix(prefix).partition("-")[0]
        if folder.is_dir() and pid.isdigit() and not is_running(int(pid)):
            with suppress(CommandError):  # another account has taken the name
                remove(folder)
    # Other accounts can write to the base, so the name is random.
    return base / f"{prefix}{os.getpid()}-{secrets.token_hex(6)}"


def lock_of(folder: Path) -> Path:
    """The lock file for processes that may start the same temporary server."""
    return folder.with_name(f"{folder.name}.lock")


def remove(folder: Path) -> None:
    """Stop the server in the folder, and delete its files.

    Raises:
        CommandError: the folder belongs to another account.
    """
    if os.path.lexists(folder):
        Cluster(folder, throwaway=True).remove()
    lock_of(folder).unlink(missing_ok=True)
