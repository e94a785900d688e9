"""Locks between processes. The system releases them when their holder ends, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .ownership import open_file


@contextmanager
def exclusive(path: Path) -> Iterator[IO[str]]:
    """Hold the lock of a file, waiting for its holder where there is one. Whoever holds the lock may
    keep a note in the file.

    Raises:
        CommandError: the file is a link, or somebody else's.
    """
    with open_lock_file(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def open_lock_file(path: Path) -> IO[str]:
    """Open a file to lock, or make it. It belongs to this account or to the owner of its folder.

    Raises:
        CommandError: it is a link, or somebody else's.
    """
    return open_file(path, owners=(os.geteuid(), path.parent.stat().st_uid))
