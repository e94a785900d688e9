"""Python's text in the project's format."""

import subprocess
import sys

from alembic.util import CommandError

from .revision_files import VERSIONS


def formatted(source: str) -> str:
    """The text of a revision as ruff writes it.

    Raises:
        CommandError: it is no Python, or ruff is not installed; the text says why.
    """
    name = f"--stdin-filename={VERSIONS / 'revision.py'}"
    for arguments in (("check", "--fix", "--quiet", "--exit-zero"), ("format", "--quiet")):
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
