"""A server for tests: in memory where there is room, gone when the last of them ends."""

import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from alembic.util import CommandError

from ...database.address import Address
from ...paths import PROJECT_ROOT
from .cluster import Cluster, free_port
from .lock import exclusive, open_lock_file

HOST = "127.0.0.1"
ROOM = 1 << 30  # bytes that must be free in memory

# Every account has its own server for each copy of the project.
LOCK = PROJECT_ROOT / f".postgres-tests-{os.geteuid()}.lock"  # held to start or to stop it
USERS = PROJECT_ROOT / f".postgres-tests-{os.geteuid()}.users"  # held, shared, by all who use it

_COPY = hashlib.sha256(str(PROJECT_ROOT).encode()).hexdigest()[:12]
PREFIX = f"{__name__.partition('.')[0]}-tests-{_COPY}-"  # of the folder's name


@contextmanager
def throwaway_server() -> Iterator[Address]:
    """The address of a superuser on a server that all processes share which ask at the same
    time, such as the workers of pytest-xdist. The first starts it, the last one removes it; what
    a killed process left behind is removed before the next start.

    Raises:
        CommandError: it does not start; the text says why.
    """
    with open_lock_file(USERS) as users:
        with exclusive(LOCK) as note:
            if _is_last(users):
                _remove_leftover(note)
                cluster = Cluster(_new_folder(note), throwaway=True)
                cluster.start(HOST, free_port(HOST))
            else:
                cluster = _running_cluster(note)
            fcntl.flock(users, fcntl.LOCK_SH)
            address = cluster.admin_address
        try:
            yield address
        finally:
            with exclusive(LOCK) as note:
                if _is_last(users):
                    cluster.remove()
                    note.truncate(0)


def _is_last(users: IO[str]) -> bool:
    """Whether nobody else uses the server."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _new_folder(note: IO[str]) -> Path:
    """The path of a folder in memory, or on disk. Every account can write to that place, so the name
    cannot be guessed. It is noted first: the next start finds all that a killed process leaves.
    """
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    base = memory if has_room else Path(tempfile.gettempdir())
    folder = base / f"{PREFIX}{secrets.token_hex(8)}"
    note.seek(0)
    note.truncate()
    note.write(str(folder))
    note.flush()
    return folder


def _running_cluster(note: IO[str]) -> Cluster:
    """The one that another process of this run has started."""
    folder = Path(note.read())
    if not (folder / "data").exists():
        raise CommandError(
            f"Another process uses the server for tests, and its folder is gone: {folder}. Wait for "
            "that process to end, or stop it, and run the tests again."
        )
    return Cluster(folder, throwaway=True)


def _remove_leftover(note: IO[str]) -> None:
    """Remove the server of a killed process."""
    folder = Path(note.read())
    # A copy of the project has a copy of the note, which names the original's server.
    if not folder.name.startswith(PREFIX) or not os.path.lexists(folder):
        return
    try:
        leftover = Cluster(folder, throwaway=True)
    except CommandError:
        return  # somebody else has taken the name
    leftover.remove()
