"""A project with its own settings in every respect: packages without src/, several MetaData and
schemas, another folder and another version table for its history, a naming convention, a filter.
"""

import shutil
from pathlib import Path

from sample import Sample
from server import Database

STORE = Path(__file__).with_name("store")


class Store(Sample):
    """One copy of the project."""

    @property
    def sources(self) -> list[Path]:
        """The folders that imports look in first."""
        own = self.path / "library"
        return [self.path, *([own] if own.exists() else [])]

    @property
    def versions(self) -> list[Path]:
        """The revisions, oldest first."""
        return sorted((self.path / "alembic" / "versions").glob("*.py"))


def write_store(folder: Path, database: Database, *, kind: str = "url") -> Store:
    """Write the project into a new folder.

    Args:
        folder: the folder.
        database: its database.
        kind: how it gives its address: `url`, `engine`, `async engine` or `alembic.ini`.
    """
    shutil.copytree(STORE, folder, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    url = database.address("psycopg").url.render_as_string(hide_password=False)
    if kind == "alembic.ini":
        ini = folder / "alembic.ini"
        text = ini.read_text()
        assert "driver://user:pass@localhost/dbname" in text
        escaped = url.replace("%", "%%")
        ini.write_text(text.replace("driver://user:pass@localhost/dbname", escaped))
    return Store(folder, "core", {"STORE_KIND": kind, "STORE_DATABASE": url})
