"""Files and folders that must belong to this account. In a shared folder, another account could
create a file, a folder or a link of that name first.
"""

import errno
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from alembic.util import CommandError

from alembic_live.postgres.local.account import Account


def open_file(path: Path, *, owners: Collection[int]) -> IO[str]:
    """Open or create a file for reading and writing. Only its owner can read a new file.

    Args:
        path: the path of the file.
        owners: the ids of the accounts that may own it.

    Raises:
        CommandError: the file is a link, has a second hard link, or belongs to another account.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _refusal(path, error.strerror) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_uid not in owners:
        os.close(descriptor)
        raise _refusal(path, "it is not an ordinary file, or it has a second hard link")
    return os.fdopen(descriptor, "r+", encoding="utf-8")


def create_file(path: Path, text: str = "") -> None:
    """Write a new file, in place of an existing one. Only its owner can read it."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def make_folder(folder: Path, account: Account, *, known: Collection[str]) -> None:
    """Create a folder that only this account can write to, and only the server's account can enter.

    Args:
        folder: the path of the folder. An interrupted call may have created it.
        account: the account of the server.
        known: the names of the files that an interrupted call may have left.

    Raises:
        CommandError: the folder belongs to another account, or contains another file.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
    except OSError as error:
        raise _refusal(folder, error.strerror) from error
    require_folder(folder, account)
    if account.gid is not None:
        with _opened(folder) as descriptor:
            if others := set(os.listdir(descriptor)).difference(known):
                raise _refusal(folder, f"it contains {min(others)}")
            os.fchown(descriptor, -1, account.gid)
            os.fchmod(descriptor, 0o710)


def require_folder(folder: Path, account: Account) -> None:
    """Check that a folder is safe to use.

    Raises:
        CommandError: it is a link or not a folder, belongs to another account, or every account can
            write to it.
    """
    with _opened(folder) as descriptor:
        status = os.fstat(descriptor)
        if status.st_uid == account.uid and account.gid is not None:
            # Until release 1.0.0, the folder of a cluster belonged to the server's account.
            if "admin-password" not in os.listdir(descriptor):
                raise _refusal(folder, "")
            os.fchown(descriptor, os.geteuid(), account.gid)
            os.fchmod(descriptor, 0o710)
        elif status.st_uid != os.geteuid() or status.st_mode & stat.S_IWOTH:
            raise _refusal(folder, "every account can write to it")


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise _refusal(folder, error.strerror) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _refusal(path: Path, reason: str | None) -> CommandError:
    """Why a path cannot be used, and what to do."""
    if reason == os.strerror(errno.EROFS):
        return CommandError(
            f"{path} cannot be written: {reason}. A local server needs a folder for its files. Use "
            "another server: set DB_HOST and the like."
        )
    if not os.path.lexists(path):
        return CommandError(f"{path} cannot be created: {reason}.")
    if path.is_symlink():
        return CommandError(
            f"{path} is a link, and links are not followed. Remove it and try again."
        )
    owner = path.lstat().st_uid
    if owner == os.geteuid():
        return CommandError(f"{path} cannot be used: {reason}. Remove it and try again.")
    import pwd  # Windows has none

    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"account {owner}"
    return CommandError(
        f"{path} belongs to {name}, so it cannot be used. Run the command as {name}, or remove it "
        "and try again."
    )
