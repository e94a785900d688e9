"""The account that runs a local Postgres server."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Account:
    """The account of this process, or the account with these ids: arguments of subprocess.run."""

    uid: int | None = None
    gid: int | None = None

    @property
    def extra_groups(self) -> list[int] | None:
        """Another account has no further groups."""
        return None if self.uid is None else []

    def can_enter(self, folder: Path) -> bool:
        """Whether the account can enter a folder and all folders above it."""
        folder = folder.resolve()
        return self.uid is None or all(
            step.stat().st_mode & 0o001 for step in (folder, *folder.parents)
        )

    def give(self, *paths: Path) -> None:
        """Make the account the owner of files."""
        if self.uid is not None and self.gid is not None:
            for path in paths:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)


OWN_ACCOUNT = Account()


def server_account() -> Account:
    """The account for a server: `nobody` if this process is root, because Postgres refuses to run
    as root. Otherwise the account of this process.
    """
    if os.geteuid() != 0:
        return OWN_ACCOUNT
    import pwd  # Windows has none

    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)
