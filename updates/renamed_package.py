"""Refuses an update that would miss the team's package (`_migrations` in copier.yml).

Copier runs it in the project's folder before it changes anything.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml
from git import tracked


def main(answers_file: str) -> None:
    """Compare the name of the package in the answers with the folders.

    Raises:
        SystemExit: the package is not there.
    """
    package = yaml.safe_load(Path(answers_file).read_text("utf-8"))["package_name"]
    if not tracked(f"src/{package}"):  # the folder may be there with what Python left in it
        found = {path.split("/")[1] for path in tracked("src/*/__init__.py")}
        name = found.pop() if len(found) == 1 else "<name>"
        raise SystemExit(
            f"\n{answers_file} says that the package is src/{package}, which does not exist, so the "
            f"update would miss it.\nIf you renamed it, write its name into {answers_file}, commit, "
            f"and update again:\n\n    package_name: {name}\n\n"
            "If you moved it out of src/, move it back, commit, update, and move it again."
        )


if __name__ == "__main__":
    main(sys.argv[1])
