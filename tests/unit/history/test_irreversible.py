"""A revision says that it cannot be undone, and why, in its downgrade."""

from pathlib import Path

import pytest
from alembic_live.history.irreversible import cannot_be_undone, why_irreversible


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("    raise NotImplementedError('Rows were merged.')", "Rows were merged."),
        ('    """Docstring."""\n    raise RuntimeError("no " "way\\n back")', r"no way\n back"),
        ("    raise NotImplementedError", ""),
        ("    raise NotImplementedError()", ""),
        ("    raise NotImplementedError(why)", ""),
        ("    pass", None),
        ("    op.drop_table('a')\n    raise NotImplementedError('x')", None),
        ("    if op:\n        raise NotImplementedError('x')", None),
    ],
)
def test_a_downgrade_that_only_raises_has_a_reason(
    tmp_path: Path, body: str, reason: str | None
) -> None:
    path = tmp_path / "r.py"
    path.write_text(f"def upgrade():\n    raise ValueError('y')\n\n\ndef downgrade():\n{body}\n")
    assert why_irreversible(path) == reason


@pytest.mark.parametrize(("name", "text"), [("r.pyc", "x"), ("r.py", "def ("), ("r.py", "a = 1")])
def test_without_a_downgrade_nothing_is_said(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert why_irreversible(tmp_path / name) is None


def test_the_reason_is_a_part_of_a_sentence() -> None:
    assert cannot_be_undone("abc", "Rows were merged.") == (
        "abc cannot be undone: Rows were merged. Correct what it did in a new revision."
    )
    assert "without a reason" in cannot_be_undone("abc", "")
