"""The history as Alembic loads it: what is wrong with it is named with its file."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_live.history.graph import (
    replaced_by,
    require_sound,
    title_of,
    unknown_revisions,
)
from edit import edit

REVISION = '''"""{0}"""

revision = "{0}"
down_revision = {1!r}
replaces = {2!r}


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a history's revisions."""
    versions = tmp_path / "versions"
    versions.mkdir()
    write(versions, "a", None)
    write(versions, "b", "a")
    return versions


def write(folder: Path, name: str, down: str | None, *replaces: str) -> None:
    (folder / f"{name}.py").write_text(REVISION.format(name, down, replaces))


def script(folder: Path) -> ScriptDirectory:
    """The history, as it is now."""
    return ScriptDirectory(str(folder.parent), version_locations=[str(folder)])


def refusal(folder: Path) -> str:
    with pytest.raises(CommandError) as refused:
        require_sound(script(folder))
    return str(refused.value)


def test_a_sound_history_is_loaded(folder: Path) -> None:
    require_sound(script(folder))
    write(folder, "c", "a")  # several heads are sound
    require_sound(script(folder))


def test_two_files_with_one_id_are_both_named(folder: Path) -> None:
    (folder / "copy.py").write_text((folder / "b.py").read_text())
    text = refusal(folder)
    assert "Two files have the revision id b" in text
    assert f"{folder / 'b.py'}, {folder / 'copy.py'}" in text


def test_one_that_follows_nothing_is_named(folder: Path) -> None:
    write(folder, "c", "lost")
    text = refusal(folder)
    assert "lost" in text
    assert f"{folder / 'c.py'}" in text


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def upgrade() -> None:\n    (\n", "broken.py:2: SyntaxError"),
        ("\nimport nowhere\n", "broken.py:2: ModuleNotFoundError: No module named 'nowhere'"),
        ("1 / 0\n", "broken.py:1: ZeroDivisionError"),
    ],
)
def test_one_that_cannot_be_loaded_is_named_with_its_line(
    folder: Path, source: str, reason: str
) -> None:
    (folder / "broken.py").write_text(source)
    assert f"A revision cannot be loaded: {folder}/{reason}" in refusal(folder)


def test_one_that_depends_on_nothing_is_named(folder: Path) -> None:
    write(folder, "c", "b")
    path = folder / "c.py"
    path.write_text(f"{path.read_text()}\ndepends_on = ('los',)\n")
    text = refusal(folder)
    assert "Revision los does not exist, but another revision depends on it" in text
    assert f"{path}. Correct depends_on" in text


def test_a_key_error_of_a_revision_is_none_about_the_history(folder: Path) -> None:
    (folder / "broken.py").write_text("import os\nos.environ['NO_SUCH']\n")
    assert f"{folder}/broken.py:2: KeyError: 'NO_SUCH'" in refusal(folder)


def test_its_error_shows_no_secret(folder: Path) -> None:
    (folder / "broken.py").write_text("raise ValueError('password=hunter2')\n")
    text = refusal(folder)
    assert "ValueError" in text
    assert "hunter2" not in text


def test_what_was_squashed_is_known(folder: Path) -> None:
    write(folder, "b", "a", "x", "y")
    assert replaced_by(script(folder)) == {"x": "b", "y": "b"}


def test_a_squash_that_was_cut_off_is_named(folder: Path) -> None:
    write(folder, "c", None, "a", "b")
    text = refusal(folder)
    assert "uv run db squash" in text
    assert "git restore --source=HEAD" in text


def test_the_beginning_of_an_id_is_no_id(folder: Path) -> None:
    write(folder, "abcdef", "b")
    history = script(folder)
    assert unknown_revisions(history, ["a", "abcdef", "abc", "gone", "head"]) == [
        "abc",
        "gone",
        "head",
    ]


def test_the_title_of_a_revision_is_one_line(folder: Path) -> None:
    write(folder, "b", "a")
    edit(folder / "b.py", '"""b"""', '"""Add notes\n    and their index\n\nMore."""')
    assert title_of(script(folder).get_revision("b")) == "Add notes"
