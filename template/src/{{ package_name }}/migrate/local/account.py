"""The account a local Postgres runs as."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Account:
    """The account of this process, or the one with these ids; for subprocess.run's arguments."""

    uid: int | None = None
    gid: int | None = None

    @property
    def extra_groups(self) -> list[int] | None:
        """No other group's rights for another account."""
        return None if self.uid is None else []

    def can_enter(self, folder: Path) -> bool:
        """Whether every folder down to this one lets the account through."""
        folder = folder.resolve()
        return self.uid is None or all(
            step.stat().st_mode & 0o001 for step in (folder, *folder.parents)
        )

    def give(self, *paths: Path) -> None:
        """Make the account the owner of these files."""
        if self.uid is not None and self.gid is not None:
            for path in paths:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)


OWN_ACCOUNT = Account()


def server_account() -> Account:
    """`nobody` where this process is root, because Postgres refuses to run as root; else the
    account of this process.
    """
    if os.geteuid() != 0:
        return OWN_ACCOUNT
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)
