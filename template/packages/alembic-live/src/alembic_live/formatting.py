"""Python source in the project's format."""

import subprocess
import sys
from pathlib import Path

from alembic.util import CommandError

CHECK = ("check", "--fix", "--quiet", "--exit-zero")
UNUSED_IMPORTS = "F401"


def formatted(source: str, path: Path, *, imports: bool = True) -> str:
    """The source of a file as ruff formats it.

    Args:
        source: the source.
        path: the path that the file will have. Some rules depend on it.
        imports: keep unused imports. A revision may import what it does not use yet.

    Raises:
        CommandError: the source is not Python, or ruff is not installed; the text says why.
    """
    name = f"--stdin-filename={path}"
    unused = (f"--ignore={UNUSED_IMPORTS}",) if imports else (f"--extend-select={UNUSED_IMPORTS}",)
    for arguments in ((*CHECK, *unused), ("format",)):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, name, "-"],
            input=source,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CommandError(f"ruff cannot format what was written: {done.stderr.strip()}")
        source = done.stdout
    return source
