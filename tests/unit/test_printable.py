"""What is shown holds nothing that a terminal obeys or nobody sees, and still says everything."""

import json
import unicodedata

import pytest
from alembic_live import printable
from hypothesis import given, settings
from hypothesis import strategies as st

BIDIRECTIONAL = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
texts = st.text(
    st.one_of(
        st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), st.characters(), st.just("\n")
    )
)


def is_hidden(character: str) -> bool:
    category = unicodedata.category(character)
    return (
        category in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in BIDIRECTIONAL
        or character in "\u200b\ufeff\u2060"
    )


@given(text=texts)
@settings(deadline=None)
def test_a_text_is_shown_without_hidden_characters(text: str) -> None:
    shown = printable.printable(text)
    assert not any(is_hidden(character) for character in shown if character not in "\t\n")
    assert shown.count("\n") == text.count("\n")
    assert printable.printable(shown) == shown
    line = printable.one_line(text)
    assert not any(map(is_hidden, line))
    assert printable.is_printable(text) == (line == text)


@given(text=st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
@settings(deadline=None)
def test_a_plain_text_is_shown_as_it_is(text: str) -> None:
    assert printable.one_line(text) == text
    assert printable.printable(text) == text or "::" in text or "##[" in text


@given(value=st.dictionaries(texts, st.lists(texts)))
@settings(deadline=None)
def test_json_is_shown_likewise_and_means_the_same(value: dict[str, list[str]]) -> None:
    shown = printable.as_json(value)
    assert json.loads(shown) == json.loads(json.dumps(value))
    assert not any(is_hidden(character) for character in shown if character != "\n")


def test_a_long_text_is_cut() -> None:
    text = "a" * 1_000 + "b" * 1_000_000 + "c" * 1_000
    shown = printable.one_line(text)
    assert len(shown) < 2_100
    assert shown.startswith("a" * 1_000)
    assert shown.endswith("c" * 1_000)
    assert "1,000,000 more characters" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error file=a::x", r"\x3a:error file=a::x"),
        ("a\n  ::stop-commands::x", "a\n  \\x3a:stop-commands::x"),
        ("##[error]x", r"\x23#[error]x"),
        ("'a'\n::text", "'a'\n::text"),
        ("a::b::c", "a::b::c"),
    ],
)
def test_a_line_is_no_command_for_github(text: str, shown: str) -> None:
    assert printable.printable(text) == shown
