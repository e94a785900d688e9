"""Several heads: branches that have diverged by accident, and branches that stay apart."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from alembic_live.history.heads import (
    advice_on,
    diverged_heads,
    effective_heads,
    explain_ambiguity,
    newest,
    problem_with_heads,
)

REVISION = """revision = "{0}"
down_revision = {1!r}
branch_labels = {2!r}
depends_on = {3!r}
"""


class History:
    """A folder of revisions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        name: str,
        follows: str | tuple[str, ...] | None = None,
        label: str | None = None,
        depends_on: str | None = None,
    ) -> None:
        path = self.folder / f"{name}.py"
        path.write_text(REVISION.format(name, follows, label, depends_on))

    @property
    def script(self) -> ScriptDirectory:
        return ScriptDirectory(str(self.folder), version_locations=[str(self.folder)])


@pytest.fixture
def history(tmp_path: Path) -> History:
    """a and b, and after b the heads c1 and c2."""
    history = History(tmp_path)
    history.add("a")
    history.add("b", "a")
    history.add("c1", "b")
    history.add("c2", "b")
    return history


def test_heads_after_one_revision_have_diverged(history: History) -> None:
    assert [sorted(group) for group in diverged_heads(history.script)] == [["c1", "c2"]]
    for target in ("head", "heads"):
        problem = problem_with_heads(history.script, target)
        assert problem
        assert "uv run db rebase" in problem
        assert "uv run alembic merge c" in problem


def test_heads_with_labels_stay_apart(history: History) -> None:
    history.add("c2", "b", label="audit")
    assert diverged_heads(history.script) == []
    assert problem_with_heads(history.script, "heads") is None
    problem = problem_with_heads(history.script, "head")
    assert problem
    assert "uv run alembic upgrade heads" in problem
    assert "uv run alembic upgrade audit@head" in problem
    assert "`target = heads` in [alembic_live]" in problem
    assert "merge" not in problem


def test_histories_without_a_common_revision_stay_apart(history: History) -> None:
    (history.folder / "c2.py").unlink()
    history.add("x")
    assert diverged_heads(history.script) == []
    assert "merge" not in advice_on(history.script)
    history.add("c2", "b")
    history.add("x1", "x")
    history.add("x2", "x")
    found = sorted(sorted(group) for group in diverged_heads(history.script))
    assert found == [["c1", "c2"], ["x1", "x2"]]


def test_a_merge_joins_heads(history: History) -> None:
    assert newest(history.script) == "heads"
    history.add("d", ("c1", "c2"))
    assert diverged_heads(history.script) == []
    assert problem_with_heads(history.script, "head") is None
    assert newest(history.script) == "head"


def test_a_head_that_another_one_needs_is_not_in_the_database(history: History) -> None:
    history.add("c2", "b", label="audit", depends_on="c1")
    assert effective_heads(history.script) == {"c2"}


@pytest.mark.parametrize(
    ("current", "is_upgrade", "expected"),
    [
        (["d"], False, "d joins c1 and c2, so a relative target is ambiguous. Name the "
         "revision: uv run alembic downgrade c1"),
        (["e"], False, "d joins c1 and c2, so a relative target is ambiguous. Name the "
         "revision: uv run alembic downgrade c1"),
        (["a"], True, "b is followed by c1 and c2"),
        (["b"], True, "b is followed by c1 and c2, so a relative target is ambiguous. Name the "
         "revision: uv run alembic upgrade c1"),
        (["c1", "c2"], True, "Name the branch: uv run alembic upgrade c1@+1, or: uv run alembic "
         "upgrade c2@+1"),
        (["c1", "c2"], False, "Name the branch: uv run alembic downgrade c1@-1, or: uv run alembic "
         "downgrade c2@-1"),
        (["a"], False, "The database is at a. `uv run alembic history` lists"),
        ([], False, "The database is at base."),
    ],
)  # fmt: skip
def test_an_ambiguous_target_is_answered_with_what_to_type(
    history: History, current: list[str], is_upgrade: bool, expected: str
) -> None:
    history.add("d", ("c1", "c2"))
    history.add("e", "d")
    assert expected in explain_ambiguity(history.script, current, is_upgrade=is_upgrade)
