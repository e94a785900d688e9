"""This machine: its processes, and the folder for temporary servers."""

import os
import shutil
import tempfile
from pathlib import Path

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


def temporary_base() -> Path:
    """The folder in which to create the folders of temporary servers: in memory if there is room,
    otherwise on disk. Other accounts can write to it.
    """
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if has_room else Path(tempfile.gettempdir())
