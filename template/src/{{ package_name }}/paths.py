"""Where the project is."""

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def in_project(path: Path) -> str:
    """A path in the project's folder as people and git write it, from there."""
    return path.relative_to(PROJECT_ROOT).as_posix()
