"""What a comparison says of enums."""

import logging

import pytest
from alembic_live.autogenerate.enums import _log_change

CHANGES = {
    "more": (["a", "b"], ["a", "c", "b", "d"], ["added values of enum 'mood': c, d"]),
    "less": (["a", "b"], ["b"], ["removed values of enum 'mood': a"]),
    "moved": (["a", "b"], ["b", "a"], ["another order of the values of enum 'mood'"]),
    "all": (
        ["a", "b", "c"],
        ["d", "b", "a"],
        [
            "added values of enum 'mood': d",
            "removed values of enum 'mood': c",
            "another order of the values of enum 'mood'",
        ],
    ),
}


@pytest.mark.parametrize(("old", "new", "said"), CHANGES.values(), ids=CHANGES)
def test_a_changed_enum_is_described_in_a_line(
    old: list[str], new: list[str], said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _log_change("mood", old, new)
    assert [message.removeprefix("Detected ") for message in caplog.messages] == said
