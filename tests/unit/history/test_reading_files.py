"""Revisions are read from the syntax of their files, without running them."""

import warnings
from pathlib import Path

import pytest
from alembic_live.history.files import (
    UnreadableRevisionError,
    names_in,
    parse_revision,
    with_down_revision,
)

PATH = Path("revision.py")

WRITTEN = '''"""create notes

Revision ID: 5f0e1c2d3a4b
Revises: 0a1b2c3d4e5f
"""

revision: str = "5f0e1c2d3a4b"
down_revision: str | Sequence[str] | None = "0a1b2c3d4e5f"
branch_labels: str | Sequence[str] | None = ("sales", 'more')
depends_on: str | Sequence[str] | None = ["0123"]


def upgrade() -> None:
    op.execute("SELECT revision FROM t")


def downgrade() -> None:
    pass
'''

FOLLOWS = {
    "None": (),
    "()": (),
    "'a'": ("a",),
    '"a"  # the one before': ("a",),
    '(\n    "a",\n    "b",\n)': ("a", "b"),
    '["a", "b"]': ("a", "b"),
    '("a" "b")': ("ab",),
}


@pytest.mark.parametrize(("written", "follows"), FOLLOWS.items())
@pytest.mark.parametrize("annotation", ["", ": str | None"])
def test_down_revision_in_the_ways_that_alembic_writes_it(
    written: str, follows: tuple[str, ...], annotation: str
) -> None:
    source = f"revision{annotation} = 'x'\ndown_revision{annotation} = {written}\n"
    assert parse_revision(source, PATH) == (PATH, "x", follows)


def test_labels_and_dependencies() -> None:
    assert names_in(WRITTEN, "branch_labels") == ("sales", "more")
    assert names_in(WRITTEN, "depends_on") == ("0123",)
    assert names_in(WRITTEN, "replaces") == ()


UNREADABLE = {
    "no revision": "down_revision = None",
    "no down_revision": "revision = 'x'",
    "in a function": "def f():\n    revision = 'x'\n    down_revision = None",
    "computed": "revision = 'x' + 'y'\ndown_revision = None",
    "named": "OTHER = 'y'\nrevision = 'x'\ndown_revision = OTHER",
    "partly named": "revision = 'x'\ndown_revision = ('a', OTHER)",
    "a number": "revision = 1\ndown_revision = None",
    "several": "revision = ('x', 'y')\ndown_revision = None",
    "empty": "revision = ''\ndown_revision = None",
    "in a text": "'''\nrevision = 'x'\ndown_revision = None\n'''",
    "commented out": "# revision = 'x'\n# down_revision = None",
    "no Python": "revision = 'x'\ndown_revision = None\n)",
    "a null byte": "revision = 'x'\ndown_revision = None\n\0",
}


@pytest.mark.parametrize("source", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_revision_that_is_written_in_another_way_is_refused(source: str) -> None:
    with pytest.raises(UnreadableRevisionError, match=r"revision\.py does not assign `revision`"):
        parse_revision(source, PATH)


DECEPTIVE = {
    "a text that looks like one": '"""\nrevision = "no"\ndown_revision = "no"\n\ndef f():\n"""\n',
    "an earlier value": 'revision = "no"\ndown_revision = "no"\n',
    "a byte order mark": "\ufeff",
}


@pytest.mark.parametrize("before", DECEPTIVE.values(), ids=DECEPTIVE.keys())
def test_it_reads_what_alembic_would_import(before: str) -> None:
    assert parse_revision(before + WRITTEN, PATH)[1:] == ("5f0e1c2d3a4b", ("0a1b2c3d4e5f",))


def test_a_value_that_is_assigned_behind_the_functions_counts() -> None:
    assert parse_revision(WRITTEN + "\ndown_revision = 'z'\n", PATH).follows == ("z",)
    assert parse_revision(WRITTEN + "\nx = 1; down_revision = 'z'\n", PATH).follows == ("z",)


def test_what_python_warns_of_in_a_revision_is_not_shown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse_revision(r"PATTERN = '\d'" + "\n" + WRITTEN, PATH)


@pytest.mark.parametrize("new", [[], ["a"], ["a", "b"]])
@pytest.mark.parametrize(
    "old", ["None", '"0a1b2c3d4e5f"', '(  # both\n    "é数",\n    "0a1b2c3d4e5f",\n)']
)
def test_a_revision_follows_others_and_nothing_else_changes(old: str, new: list[str]) -> None:
    source = WRITTEN.replace('= "0a1b2c3d4e5f"', f"= {old}  # é")
    changed = with_down_revision(source, new)
    assert parse_revision(changed, PATH).follows == tuple(new)
    down = {0: "None", 1: '"a"', 2: '("a", "b")'}[len(new)]
    expected = source.replace(f"= {old}", f"= {down}")
    expected = expected.replace("Revises: 0a1b2c3d4e5f", f"Revises: {', '.join(new)}".rstrip())
    assert changed == expected
