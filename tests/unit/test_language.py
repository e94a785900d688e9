"""Prose in plain technical English: no phrase of BANNED, no sentence that is too long, short lines."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import ROOT

COVERED = ("README.md", "CONTRIBUTING.md", "docs", "benchmarks/README.md", "template", "updates")
NOT_COVERED = ("template/{% if license",)

# Each is a regular expression, with what to write instead.
BANNED = {
    r"amid": "during",
    r"anew": "again",
    r"at once": "concurrently, or immediately",
    r"bears?": "supports, allows",
    r"believes it": "uses it",
    r"(is|are|was|were|has|have) to be": "must be, or the present tense",
    r"to be had": "could not acquire",
    r"(to|for) (himself|oneself)": "exclusively",
    r"in the place of": "instead of",
    r"learnt": "the changes of",
    r"meant": "for",
    r"(nobody|somebody|anybody|everybody) (has|is|was|can|may|else|who)": "a noun, such as session",
    r"of (its|his|our|their|your|a \w+'s) own": "its own …",
    r"on your word": "if you confirm it",
    r"stands in (the|its|their) way": "prevents",
    r"what it is wanted for": "its purpose",
    r"whoever|whom": "who, or a noun",
    r"without the way": "without replaying the history",
}
MOST_WORDS = 25
WIDTH = 100

TEXTS = sorted(
    path
    for name in COVERED
    for path in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))
    if path.is_file()
    and "__pycache__" not in path.parts
    and not path.relative_to(ROOT).as_posix().startswith(NOT_COVERED)
)
PAGES = [path for path in TEXTS if ".md" in path.suffixes]

every_text = pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)


@every_text
def test_no_banned_phrase(path: Path) -> None:
    found = [
        f"{found[0]!r}: write {better!r}"
        for paragraph in paragraphs(path)
        for phrase, better in BANNED.items()
        for found in re.finditer(rf"\b({phrase})\b", paragraph, re.IGNORECASE)
    ]
    assert not found


@every_page
def test_sentences_are_short(path: Path) -> None:
    long = [
        f"{len(words)} words: {' '.join(words)}"
        for paragraph in paragraphs(path)
        for sentence in re.split(r"(?<=[.:;?!])[*)]*\s", paragraph)
        if len(words := sentence.split()) > MOST_WORDS
    ]
    assert not long


@every_page
def test_lines_wrap(path: Path) -> None:
    text = without(path.read_text(encoding="utf-8"), r"<!--.*?-->")
    long = [line for line in text.split("\n") if len(line) > WIDTH and "|" not in line]
    assert not long


def paragraphs(path: Path) -> Iterator[str]:
    """The prose of a file: of a page without its blocks and tables, else of comments and docstrings."""
    text = path.read_text(encoding="utf-8")
    if path in PAGES:
        text = without(text, r"<!--.*?-->", r"^ *```.*?^ *```$", r"^ *\|.*?$", r"^#.*?$")
        text = re.sub(r"`[^`]*`", "code", text)
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
        text = re.sub(r"^ *([-*]|\d+\.) ", "\n\n", text, flags=re.MULTILINE)
    elif ".py" in path.suffixes and path.suffix != ".mako":
        text = "\n\n".join(_prose_of_code(text))
    else:
        comments = re.findall(r"(?:^|\s)# ?(.*)", text)
        text = "\n".join(comments)
    for paragraph in re.split(r"\n\s*\n", text):
        yield " ".join(paragraph.split())


def without(text: str, *patterns: str) -> str:
    """A text without what matches; a pattern's dot matches line breaks."""
    for pattern in patterns:
        text = re.sub(pattern, "", text, flags=re.MULTILINE | re.DOTALL)
    return text


def _prose_of_code(source: str) -> Iterator[str]:
    """The docstrings, other strings with a space, and comments of Python; Jinja may be in it."""
    source = re.sub(r"^\{%.*?%\}\n", "", source, flags=re.MULTILINE)
    source = re.sub(r"\{\{ (\w+) \}\}", r"\1", source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.removeprefix("# ")
