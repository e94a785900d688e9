"""A temporary server that processes share. The last process removes it."""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from alembic.util import CommandError

from alembic_live.address import Address
from alembic_live.postgres.local.cluster import Cluster, free_port
from alembic_live.postgres.local.lock import exclusive, open_lock_file
from alembic_live.postgres.local.machine import temporary_base

HOST = "127.0.0.1"

# Each account has a separate server for each copy of the project.
LOCK = f".postgres-tests-{os.geteuid()}.lock"  # locked to start or to stop the server
USERS = f".postgres-tests-{os.geteuid()}.users"  # has a shared lock of each user of the server


@contextmanager
def throwaway_server(project: Path) -> Iterator[Address]:
    """The address of a superuser on a temporary server. Processes that need it at the same time
    share it: the first starts the server, the last removes it. If they are killed, the next start
    removes it.

    Args:
        project: the folder of the project.

    Raises:
        CommandError: the server does not start; the text says why.
    """
    prefix = _prefix(project)
    lock = project / LOCK
    with open_lock_file(project / USERS) as users:
        with exclusive(lock) as note:
            if _is_last(users):
                _remove_abandoned(note, prefix)
                cluster = Cluster(_new_folder(note, prefix), throwaway=True)
                cluster.start(HOST, free_port(HOST))
            else:
                cluster = _running_cluster(note)
            fcntl.flock(users, fcntl.LOCK_SH)
            address = cluster.admin_address
        try:
            yield address
        finally:
            with exclusive(lock) as note:
                if _is_last(users):
                    cluster.remove()
                    note.truncate(0)


def _prefix(project: Path) -> str:
    """The start of the name of the server's folder."""
    copy = hashlib.sha256(str(project).encode()).hexdigest()[:12]
    return f"alembic-live-tests-{copy}-"


def _is_last(users: IO[str]) -> bool:
    """Whether no other process uses the server."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _new_folder(note: IO[str], prefix: str) -> Path:
    """The path of a folder with a random name, because other accounts can write to its parent. The
    path is noted before the folder exists, so the next start finds what a killed process leaves.
    """
    folder = temporary_base() / f"{prefix}{secrets.token_hex(8)}"
    note.seek(0)
    note.truncate()
    note.write(str(folder))
    note.flush()
    return folder


def _running_cluster(note: IO[str]) -> Cluster:
    """The cluster that another process has started."""
    folder = Path(note.read())
    if not (folder / "data").exists():
        raise CommandError(
            f"Another process uses the temporary server, but its folder is gone: {folder}. Wait "
            "for that process to end, or stop it, and run the command again."
        )
    return Cluster(folder, throwaway=True)


def _remove_abandoned(note: IO[str], prefix: str) -> None:
    """Remove the server of a killed process."""
    folder = Path(note.read())
    # A copy of the project has a copy of the note with the path of the original's server.
    if not folder.name.startswith(prefix) or not os.path.lexists(folder):
        return
    try:
        abandoned = Cluster(folder, throwaway=True)
    except CommandError:
        return  # another account has taken the name
    abandoned.remove()
