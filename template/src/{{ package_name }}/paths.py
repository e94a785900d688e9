"""Where the project is."""

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def relative(path: Path) -> str:
    """The path of one of its files, for people and for git."""
    return path.relative_to(PROJECT_ROOT).as_posix()
