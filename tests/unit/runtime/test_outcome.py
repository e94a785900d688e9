"""What is said of a command that was stopped."""

from types import ModuleType
from typing import Any

import pytest
from alembic.runtime.migration import RevisionStep, StampStep
from alembic.script import Script
from alembic.script.revision import RevisionMap
from alembic_live.runtime.outcome import describe_outcome


def steps(names: str, *, is_upgrade: bool = True) -> list[Any]:
    """Alembic's steps for revisions that follow each other."""
    made = []
    for name in names:
        script = object.__new__(Script)
        script.revision, script.down_revision = name, None
        script.module = ModuleType(name)
        vars(script.module).update(upgrade=None, downgrade=None)
        made.append(RevisionStep(RevisionMap(lambda: ()), script, is_upgrade))
    return made


UNKNOWN = "`uv run db status` shows the database's revision."


@pytest.mark.parametrize(
    ("done", "left", "heads", "is_split", "said"),
    [
        ("", "", [], False, "The database is at no revision."),
        ("a", "", ["a"], False, "Applied: a."),
        ("", "ab", [], False, "Not applied: a, b."),
        ("a", "bc", ["a"], False, "Applied: a. Not applied: b, c."),
        ("a", "bc", ["b"], False, "Applied: a, b. Not applied: c."),  # committed at the last moment
        ("abcd", "ef", ["d"], False, "Applied: a, b, c and 1 more. Not applied: e, f."),
        ("a", "bc", None, False, f"Applied: a. Not applied: b, c. b may have been committed: {UNKNOWN}"),
        (
            "a", "b", ["a"], True,
            "Applied: a. Not applied: b. What b did before and in its autocommit_block stays. "
            "Operations of alembic_live repair their part at the next run.",
        ),
    ],
)  # fmt: skip
def test_an_upgrade(
    done: str, left: str, heads: list[str] | None, is_split: bool, said: str
) -> None:
    assert describe_outcome(steps(done), steps(left), heads, is_split=is_split) == said


@pytest.mark.parametrize(
    ("done", "left", "heads", "said"),
    [
        ("c", "ba", ["b"], "Downgraded: c. Not downgraded: b, a."),
        ("c", "ba", ["a"], "Downgraded: c, b. Not downgraded: a."),
    ],
)
def test_a_downgrade(done: str, left: str, heads: list[str], said: str) -> None:
    before, after = (steps(names, is_upgrade=False) for names in (done, left))
    assert describe_outcome(before, after, heads, is_split=False) == said


def test_a_stamp() -> None:
    stamp = [StampStep(None, "a", True, False, RevisionMap(lambda: ()))]
    assert describe_outcome([], stamp, ["x", "y"], is_split=False) == "The database is at x, y."
    assert describe_outcome([], stamp, None, is_split=False) == UNKNOWN
