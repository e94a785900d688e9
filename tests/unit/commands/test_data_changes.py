"""Every line of a revision that changes rows is found, however it is written."""

from pathlib import Path

import spellings
from alembic_live.commands.squash.data_changes import data_changes_in


def lines_in(folder: Path, body: str) -> list[str]:
    """The lines of a body that are said to change rows."""
    path = folder / "revision.py"
    path.write_text(spellings.source(1, body))
    lines = path.read_text().splitlines()
    return [lines[number - 1].strip() for number in data_changes_in(path)]


def test_no_spelling_is_overlooked(tmp_path: Path) -> None:
    bodies = [*spellings.all_spellings(), *spellings.NOT_SCHEMA_ONLY]
    assert len(bodies) > 1500
    for body in bodies:
        lines = lines_in(tmp_path, body)
        assert lines, body
        assert all(line in body or line.startswith("def upgrade") for line in lines), body


def test_what_changes_the_schema_only_is_not_named(tmp_path: Path) -> None:
    for body in spellings.SCHEMA_ONLY:
        assert lines_in(tmp_path, body) == [], body
