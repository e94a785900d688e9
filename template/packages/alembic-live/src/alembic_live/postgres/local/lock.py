"""Locks between processes. The system releases the lock of a process that ends or is killed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from alembic_live.postgres.local.ownership import open_file


@contextmanager
def exclusive(path: Path) -> Iterator[IO[str]]:
    """Wait for the lock of a file, and hold it during the block. The holder can write to the file.

    Raises:
        CommandError: the file is a link, or belongs to another account.
    """
    with open_lock_file(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def open_lock_file(path: Path) -> IO[str]:
    """Open or create a file that can be locked. It must belong to this account or to the owner of
    its folder.

    Raises:
        CommandError: the file is a link, or belongs to another account.
    """
    return open_file(path, owners=(os.geteuid(), path.parent.stat().st_uid))
