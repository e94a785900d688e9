"""A checkout of this repository."""

import shutil
from pathlib import Path

from project import ROOT, commit, run


def checked_out(folder: Path) -> Path:
    """A checkout of this repository as it stands, with nothing that git ignores."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():  # git still lists what was just deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    commit(folder)
    return folder
