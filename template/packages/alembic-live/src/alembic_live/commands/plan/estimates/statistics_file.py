"""statistics.json: the sizes of the tables in production. It is committed, and has no data."""

import json
from pathlib import Path
from typing import Any

from alembic_live.commands.plan.estimates.sizes import Sizes, TableSize
from alembic_live.commands.plan.rehearsal.effects import RelationName
from alembic_live.errors import ConfigurationError
from alembic_live.project import Project

FILE = "statistics.json"  # beside alembic.ini
VERSION = 1  # of the format
DIGITS = 2  # that are kept, so that a new file differs where a table has grown


def as_file(sizes: Sizes) -> str:
    """The text of the file, with a line for each table."""
    lines = [
        json.dumps(
            {
                "schema": name.schema,
                "name": name.name,
                "rows": None if size.rows is None else _rounded(size.rows),
                "heap": _rounded(size.heap),
                "indexes": _rounded(size.indexes),
            },
            ensure_ascii=False,
        )
        for name, size in sorted(sizes.items())
    ]
    tables = ",\n".join(f"    {line}" for line in lines)
    return f'{{\n  "version": {VERSION},\n  "tables": [\n{tables}\n  ]\n}}\n'


def read_statistics(path: Path) -> Sizes:
    """The sizes in a file.

    Raises:
        ConfigurationError: it cannot be read, or has another form.
    """
    way_out = "Write it again: uv run db statistics --output"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        version = found["version"]
        if version != VERSION:
            raise ConfigurationError(
                f"{path} has version {version!r} of the format, and this alembic-live reads {VERSION}. "
                f"{way_out} {path.name}"
            )
        return dict(_table(row) for row in found["tables"])
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise ConfigurationError(
            f"{path} is not what `db statistics` writes. {way_out} {path.name}"
        ) from None


def statistics_of(project: Project) -> Sizes | None:
    """The sizes in the project's file; None if it has no such file.

    Raises:
        ConfigurationError: it cannot be read, or has another form.
    """
    path = project.folder / FILE
    return read_statistics(path) if path.exists() else None


def _table(row: dict[str, Any]) -> tuple[RelationName, TableSize]:
    rows = row["rows"]
    size = TableSize(None if rows is None else int(rows), int(row["heap"]), int(row["indexes"]))
    if any(number is not None and number < 0 for number in size):
        raise ValueError(f"A size is negative: {size}")
    return RelationName(str(row["schema"]), str(row["name"])), size


def _rounded(number: int) -> int:
    return round(number, DIGITS - len(str(number)))
