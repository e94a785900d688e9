"""Locks between processes. The system releases the lock of a process that ends or is killed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic_live.postgres.local.ownership import open_file


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for the lock of a file, which is created if it is missing, and hold it during the block.
    The file must belong to this account or to the owner of its folder.

    Raises:
        CommandError: the file is a link, or belongs to another account.
    """
    import fcntl  # Windows has none

    with open_file(path, owners=(os.geteuid(), path.parent.stat().st_uid)) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
