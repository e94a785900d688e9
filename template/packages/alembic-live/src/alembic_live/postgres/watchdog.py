"""Ends a connection whose server takes too long or sends too much. Drivers have no such limits. The
statements of revisions have the limits in `timeouts` instead.
"""

import asyncio
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:  # the fast path of `db migrate` imports neither SQLAlchemy nor Alembic
    from sqlalchemy import Connection

PATIENCE = 60.0  # seconds that reading from a database may take
MOST_MEMORY = 256 << 20  # bytes by which the process may grow in that time
LOOK_EVERY = 0.05  # seconds


class Watchdog:
    """Watches the process from a thread until the block ends."""

    def __init__(
        self,
        end: Callable[[], None],
        *,
        patience: float = PATIENCE,
        most_memory: int = MOST_MEMORY,
    ) -> None:
        """
        Args:
            end: ends the connection. It is called in the thread.
            patience: the seconds that the block may take.
            most_memory: the bytes by which the process may grow during the block.
        """
        self.reason = ""  # why the connection was ended
        self._end = end
        self._patience, self._most_memory = patience, most_memory
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        deadline = time.monotonic() + self._patience
        most = _memory() + self._most_memory
        while not self._done.wait(LOOK_EVERY):
            if time.monotonic() > deadline:
                self.reason = f"the server did not answer within {self._patience:g} s"
            elif _memory() > most:
                self.reason = f"the server sent more than {self._most_memory >> 20} MB"
            else:
                continue
            with suppress(OSError, RuntimeError):  # the connection has just ended
                self._end()
            return


@contextmanager
def limited(connection: "Connection") -> Iterator[None]:
    """Limit the time and the memory of reading from the database.

    Raises:
        CommandError: the server exceeded a limit; the connection is lost.
    """
    loop = None
    with suppress(RuntimeError):
        loop = asyncio.get_running_loop()
    with Watchdog(partial(_end, connection.connection.driver_connection, loop)) as watchdog:
        try:
            yield
        except Exception as error:
            if watchdog.reason:
                from alembic.util import CommandError

                raise CommandError(
                    f"Reading from the database was stopped: {watchdog.reason}."
                ) from error
            raise


def limited_connecting(
    ports: Set[int], *, patience: float = PATIENCE, most_memory: int = MOST_MEMORY
) -> Watchdog:
    """Limit the time and the memory of connecting. Drivers and SQLAlchemy read from the server
    before there is a connection object, so the watchdog ends sockets.

    Args:
        ports: the ports of the server.
        patience: the seconds that the block may take.
        most_memory: the bytes by which the process may grow during the block.
    """
    end = partial(_end_sockets, ports, _sockets())
    return Watchdog(end, patience=patience, most_memory=most_memory)


def _end(driver_connection: Any, loop: asyncio.AbstractEventLoop | None) -> None:
    if hasattr(driver_connection, "fileno"):
        _shut_down(driver_connection.fileno())
    elif loop:
        loop.call_soon_threadsafe(driver_connection.terminate)


def _end_sockets(ports: Set[int], before: dict[int, int]) -> None:
    """End the connections to some ports that did not exist before."""
    for inode, descriptor in _sockets().items():
        if inode not in before:
            with suppress(OSError):  # already closed
                _shut_down(descriptor, ports)


def _shut_down(descriptor: int, ports: Set[int] | None = None) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        peer = copy.getpeername()
        port = peer.rpartition(".")[2] if isinstance(peer, str) else str(peer[1])
        if ports is None or port in map(str, ports):
            copy.shutdown(socket.SHUT_RDWR)


def _sockets() -> dict[int, int]:
    """The descriptors of open sockets, by their inodes. Empty if the system does not list them."""
    found = {}
    with suppress(OSError):
        for name in os.listdir("/dev/fd"):
            with suppress(OSError):  # the descriptor of the folder itself is closed
                status = os.fstat(int(name))
                if stat.S_ISSOCK(status.st_mode):
                    found[status.st_ino] = int(name)
    return found


def _memory() -> int:
    """The peak memory of the process in bytes. 0 if the system does not report it."""
    if sys.platform == "win32":
        return 0
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
