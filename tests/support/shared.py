"""What all workers of a run use: the first that needs it makes it, and the others wait."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """The folder of this run that all its workers have in common."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def made_once(path: Path, make: Callable[[Path], None]) -> Path:
    """A path, after one process of the run has made what is there.

    Args:
        path: in the folder that the workers share.
        make: makes it; after an error, the next process that asks starts from nothing.
    """
    note = path.with_name(f"{path.name}.made")
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            shutil.rmtree(path, ignore_errors=True)
            make(path)
            note.touch()
    return path
