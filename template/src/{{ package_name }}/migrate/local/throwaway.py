"""A server for tests: in memory where there is room, gone when the last of them ends."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...database.address import Address
from ...paths import PROJECT_ROOT
from .cluster import Cluster, free_port
from .lock import exclusive

HOST = "127.0.0.1"
ROOM = 1 << 30  # bytes that must be free in memory

LOCK = PROJECT_ROOT / ".postgres-tests.lock"  # held to start or to stop the server
USERS = PROJECT_ROOT / ".postgres-tests.users"  # held, shared, by everyone who uses it


@contextmanager
def throwaway_server() -> Iterator[Address]:
    """The address of a superuser on a server that all processes share which ask at the same
    time, such as the workers of pytest-xdist. The first starts it, the last one removes it; what
    a killed process left behind is removed before the next start.

    Raises:
        CommandError: it does not start; the text says why.
    """
    cluster = Cluster(_folder(), throwaway=True)
    with USERS.open("a") as users:
        with exclusive(LOCK):
            if _is_last(users):
                cluster.remove()
                cluster.start(HOST, free_port(HOST))
            fcntl.flock(users, fcntl.LOCK_SH)
            address = cluster.admin_address
        try:
            yield address
        finally:
            with exclusive(LOCK):
                if _is_last(users):
                    cluster.remove()


def _is_last(users: IO[str]) -> bool:
    """Whether nobody else uses the server."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _folder() -> Path:
    """A folder in memory, or on disk; one for each user and each copy of the project."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    base = memory if has_room else Path(tempfile.gettempdir())
    copy = hashlib.sha256(str(PROJECT_ROOT).encode()).hexdigest()[:12]
    return base / f"{__name__.partition('.')[0]}-tests-{os.geteuid()}-{copy}"
