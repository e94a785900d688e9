"""The Pythons on this machine that a rendered project can be tried with."""

import os
import subprocess
from pathlib import Path

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")


def interpreters() -> dict[str, Path]:
    """A path for each supported version that is there; uv looks for them, pyenv may hide more."""
    found = {version: _known_to_uv(version) or _known_to_pyenv(version) for version in SUPPORTED}
    return {version: path for version, path in found.items() if path}


def _known_to_uv(version: str) -> Path | None:
    done = subprocess.run(
        ["uv", "python", "find", "--no-python-downloads", "--system", version],
        check=False,
        capture_output=True,
        text=True,
    )
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def _known_to_pyenv(version: str) -> Path | None:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return max(root.glob(f"versions/{version}.*/bin/python"), default=None)
