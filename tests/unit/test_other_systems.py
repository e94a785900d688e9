"""Systems that lack what Linux has, and containers that look alike."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.util import CommandError
from alembic_live.postgres import scratch
from alembic_live.postgres.local import machine, ownership

# What Windows has not. psutil and pytest are there for every system, and come first.
ON_WINDOWS = """
import asyncio, multiprocessing, os, pkgutil, subprocess, sys
import psutil, pytest

for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None
for name in ("O_DIRECTORY", "O_NOFOLLOW", "chown", "fchown", "geteuid", "getuid"):
    delattr(os, name)
os.environ["DB_HOST"] = "192.0.2.1"

import alembic_live

for module in pkgutil.walk_packages(alembic_live.__path__, "alembic_live."):
    __import__(module.name)
"""


def test_every_module_can_be_imported_on_windows() -> None:
    done = subprocess.run((sys.executable, "-c", ON_WINDOWS), check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_containers_with_the_same_host_name_are_different_machines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = set()
    monkeypatch.setattr(machine, "BOOT_ID", tmp_path / "boot_id")
    machine.BOOT_ID.write_text("one boot")
    for namespace in ("pid:[1]", "pid:[2]"):
        monkeypatch.setattr(os, "readlink", lambda _, namespace=namespace: namespace)
        machine.machine_id.cache_clear()
        found.add(machine.machine_id())
    machine.machine_id.cache_clear()
    assert len(found) == 2


def test_processes_with_the_same_id_name_their_scratch_databases_differently() -> None:
    assert scratch._name("x_scratch_") != scratch._name("x_scratch_")


def test_a_folder_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    (tmp_path / "there.lock").touch()
    monkeypatch.setattr(os, "open", refuse)
    for name in ("new.lock", "there.lock"):
        with pytest.raises(CommandError, match="cannot be written: Read-only file system"):
            ownership.open_file(tmp_path / name, owners=())
