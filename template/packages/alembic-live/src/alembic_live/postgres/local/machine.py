"""This machine: its processes, and the folder for temporary servers."""

import os
import shutil
import socket
import tempfile
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

BOOT_ID, PROCESSES = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
MEMORY = Path("/dev/shm")
ROOM = 1 << 30  # bytes that must be free in memory


def is_running(pid: int) -> bool:
    """Whether a process with this id runs, under any account."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@cache
def machine_id() -> str:
    """The machine, or the container, in which a process id means one process: 8 hexadecimal digits.
    Containers can have the same host name, and processes with the same ids.
    """
    name = socket.gethostname()
    with suppress(OSError):  # Linux only
        name = BOOT_ID.read_text() + os.readlink(PROCESSES)
    return sha256(name.encode()).hexdigest()[:8]


def temporary_base() -> Path:
    """The folder in which to create the folders of temporary servers: in memory if there is room,
    otherwise on disk. Other accounts can write to it.
    """
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if has_room else Path(tempfile.gettempdir())
