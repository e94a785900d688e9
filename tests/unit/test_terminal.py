"""Messages and questions at a terminal, and where there is none."""

import io
import sys

import pytest
from alembic.util import CommandError
from alembic_live import interruption, terminal

Captured = pytest.CaptureFixture[str]


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> Terminal:
    """A person at a terminal who has typed something. Returns what the person sees."""
    seen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", seen)
    return seen


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [("y\n", True), (" YES \n", True), ("n\n", False), ("\n", False), ("yo\n", False), ("", False)],
)
def test_all_but_a_clear_yes_is_a_no(
    monkeypatch: pytest.MonkeyPatch, text: str, goes_on: bool
) -> None:
    seen = at_a_terminal(monkeypatch, text)
    if goes_on:
        terminal.require_consent("It drops a table.", yes=False)
    else:
        with pytest.raises(CommandError, match=r"^Nothing was done\.$"):
            terminal.require_consent("It drops a table.", yes=False)
    assert seen.getvalue() == "It drops a table. Go on? [y/N] "


def test_nobody_is_asked_who_has_said_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = at_a_terminal(monkeypatch, "")
    terminal.require_consent("It drops a table.", yes=True)
    assert seen.getvalue() == ""


def test_without_a_terminal_it_is_a_no_that_says_how_to_say_yes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(
        CommandError, match=r"^It drops a table\. Nothing was done: .* Add --yes\.$"
    ):
        terminal.require_consent("It drops a table.", yes=False)


def test_messages_are_for_people_and_data_for_programs(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_quiet", False)
    terminal.tell("a message\x1b[2J")
    terminal.show("data\x1b[2J")
    assert capsys.readouterr() == ("data\\x1b[2J\n", "a message\\x1b[2J\n")
    assert terminal.as_data("a\x1b[2J") == "a\x1b[2J"  # a file gets all of it
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert terminal.as_data("a\x1b[2J") == "a\\x1b[2J"


def test_prints_of_the_project_do_not_mix_with_data(capsys: Captured) -> None:
    with terminal.only_data_on_stdout():
        print("of the project")
        terminal.show_data("{}")
    terminal.show_data("[]")
    assert capsys.readouterr() == ("{}\n[]\n", "of the project\n")


def test_quiet_is_quiet(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_quiet", False)
    terminal.be_quiet()
    terminal.tell("a message")
    terminal.show("data")
    assert capsys.readouterr() == ("data\n", "")


def test_a_line_of_progress_gives_way_to_other_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_quiet", False)
    monkeypatch.setattr(terminal, "_may_show_progress", False)
    monkeypatch.setenv("COLUMNS", "80")
    seen = at_a_terminal(monkeypatch, "")
    monkeypatch.setattr(interruption, "format_text", str)
    terminal.show_progress("unseen")
    terminal.allow_progress()
    assert interruption.format_text("Stopped.") == "Stopped."
    terminal.show_progress("one\n")
    terminal.show_progress("two " * 100)
    assert interruption.format_text("Stopped.") == f"{terminal.CLEAR}Stopped."
    terminal.tell("a message")
    terminal.clear_progress()
    terminal.tell("another")
    first, second, rest = seen.getvalue().split(terminal.CLEAR)[1:4]
    assert first == r"one\n"
    assert second.startswith("two two")
    assert len(second) == 79
    assert rest == "a message\nanother\n"


def test_progress_is_for_a_terminal_only(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_may_show_progress", True)
    terminal.show_progress("one")
    terminal.clear_progress()
    assert capsys.readouterr() == ("", "")


def test_a_bar() -> None:
    assert [terminal.bar(share, 4) for share in (0, 0.5, 1)] == ["[    ]", "[==  ]", "[====]"]
