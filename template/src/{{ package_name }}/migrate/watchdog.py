"""Ends a connection whose server does not come to an end: no driver limits how long a server may take
to answer, or how much it may send. What revisions run has the limits of `timeouts`.
"""

import asyncio
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Self

from alembic.util import CommandError
from sqlalchemy import Connection

PATIENCE = 60.0  # seconds that a look at a database may take
MOST_MEMORY = 256 << 20  # bytes that the process may grow by meanwhile
LOOK_EVERY = 0.05  # seconds


class Watchdog:
    """Watches from a thread, until the block ends."""

    def __init__(self, end: Callable[[], None]) -> None:
        """
        Args:
            end: ends the connection, called in the thread.
        """
        self.reason = ""  # why the connection was ended
        self._end = end
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        deadline = time.monotonic() + PATIENCE
        most = _memory() + MOST_MEMORY
        while not self._done.wait(LOOK_EVERY):
            if time.monotonic() > deadline:
                self.reason = f"the server did not answer within {PATIENCE:g} s"
            elif _memory() > most:
                self.reason = f"the server sent more than {MOST_MEMORY >> 20} MB"
            else:
                continue
            with suppress(OSError, RuntimeError):  # it has just ended by itself
                self._end()
            return


@contextmanager
def limited(connection: Connection) -> Iterator[None]:
    """Limit what a look at the database may take, in time and in memory.

    Raises:
        CommandError: the server went over the limit; the connection is lost.
    """
    loop = None
    with suppress(RuntimeError):
        loop = asyncio.get_running_loop()
    with Watchdog(partial(_end, connection.connection.driver_connection, loop)) as dog:
        try:
            yield
        except Exception as error:
            if dog.reason:
                raise CommandError(f"A look at the database was ended: {dog.reason}.") from error
            raise


def limited_connecting(port: int) -> Watchdog:
    """Limit what connecting may take, when there is no connection yet that could be ended: drivers, and
    SQLAlchemy after them, ask the server for its version and more.
    """
    return Watchdog(partial(_end_sockets, port, _sockets()))


def _end(driver_connection: Any, loop: asyncio.AbstractEventLoop | None) -> None:
    if hasattr(driver_connection, "fileno"):
        _shut_down(driver_connection.fileno())
    elif loop:
        loop.call_soon_threadsafe(driver_connection.terminate)


def _end_sockets(port: int, before: dict[int, int]) -> None:
    """End the connections to a port that were opened since."""
    for inode, descriptor in _sockets().items():
        if inode not in before:
            with suppress(OSError):  # closed meanwhile
                _shut_down(descriptor, port)


def _shut_down(descriptor: int, port: int | None = None) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        peer = copy.getpeername()
        there = peer.endswith(f".{port}") if isinstance(peer, str) else peer[1] == port
        if there or port is None:
            copy.shutdown(socket.SHUT_RDWR)


def _sockets() -> dict[int, int]:
    """The descriptors of those that are open, by their inodes; none where the system does not tell."""
    found = {}
    with suppress(OSError):
        for name in os.listdir("/dev/fd"):
            with suppress(OSError):  # that of the folder itself is closed again
                status = os.fstat(int(name))
                if stat.S_ISSOCK(status.st_mode):
                    found[status.st_ino] = int(name)
    return found


def _memory() -> int:
    """The most that the process has had, in bytes; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
