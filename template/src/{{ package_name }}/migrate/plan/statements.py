"""SQL as words: split into statements, and compared with a synopsis as Postgres's documentation has
them.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, Self

from ..lexer import Token, statements, tokens

NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
NAMES = rf"{NAME}(?: \. {NAME})*"
PARTS = re.compile(NAME)

SYNOPSIS = re.compile(r"<\w+>|\.\.\.|[\[\]{}|]|[^\s\[\]{}|<]+")
_NOTATION = {
    "[": "(?:",
    "]": ")?",
    "{": "(?:",
    "}": ")",
    "|": "|",
    "_": f"{NAMES} ",
    "...": "(?:.*? )?",
}


class Name(NamedTuple):
    """What a table is called; without a schema it is looked for on the search path."""

    schema: str | None
    name: str

    @classmethod
    def of(cls, text: str) -> Self:
        """The name that a statement writes: `other . "My table"`."""
        *before, last = [_unquoted(part) for part in PARTS.findall(text)]
        return cls(before[-1] if before else None, last)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


class Statement(NamedTuple):
    """One statement."""

    sql: str  # as it was written
    tokens: tuple[Token, ...]  # that mean something

    @property
    def text(self) -> str:
        """In one line: words in capitals, names as they are, strings without what is in them."""
        return " ".join(
            "''" if kind == "string" else _capitals(text) if kind == "word" else text
            for kind, text in self.tokens
        )

    def strings(self) -> list[str]:
        """What is in the strings."""
        return [
            token.text[1:-1].replace("''", "'")
            for token in self.tokens
            if token.kind == "string" and token.text.startswith("'")
        ]

    def names(self) -> Iterator[str]:
        """All that may be the name of something."""
        for token in self.tokens:
            if token.kind in ("word", "name"):
                yield _unquoted(token.text)


def statements_in(sql: str) -> Iterator[Statement]:
    """The statements of a script."""
    for written in statements(sql):
        text = "".join(token.text for token in written).strip().removesuffix(";")
        meant = tuple(token for token in written if not token.is_blank)
        if meant and meant[-1].text == ";":
            meant = meant[:-1]
        if meant:
            yield Statement(text, meant)


def matches(text: str, synopsis: str) -> re.Match[str] | None:
    """Whether a statement begins as a synopsis says: `DROP INDEX [IF EXISTS] <index>`.

    Words stand for themselves, `[…]` may be missing, of `{A|B}` there is one; `<table>` is a name and
    `<tables>` a list of some, which the match keeps, `_` any name, and `...` anything.
    """
    return _compiled(synopsis).match(f"{text} ")


def split_at_commas(text: str) -> list[str]:
    """The parts between those commas that are in no parentheses."""
    parts, depth = [[""]], 0
    for word in _words(text):
        depth += (word in ("(", "[")) - (word in (")", "]"))
        if word == "," and depth == 0:
            parts.append([""])
        else:
            parts[-1].append(word)
    return [" ".join(part).strip() for part in parts]


def names_of(text: str) -> list[Name]:
    """The names of a list."""
    return [Name.of(part) for part in re.findall(NAMES, text)]


@cache
def _compiled(synopsis: str) -> re.Pattern[str]:
    pattern = ""
    for part in SYNOPSIS.findall(synopsis):
        if part.startswith("<"):
            some = f"{NAMES}(?: , {NAMES})*" if part.endswith("s>") else NAMES
            pattern += f"(?P{part}{some}) "
        else:
            pattern += _NOTATION.get(part) or re.escape(f"{part} ")
    return re.compile(pattern, re.DOTALL)


def _words(text: str) -> list[str]:
    return [token.text for token in tokens(text) if not token.is_blank]


def _capitals(word: str) -> str:
    """ASCII only, as Postgres does it."""
    return re.sub("[a-z]+", lambda found: found.group().upper(), word)


def _unquoted(name: str) -> str:
    if name.endswith('"'):
        return name[name.index('"') + 1 : -1].replace('""', '"')
    return re.sub("[A-Z]+", lambda found: found.group().lower(), name)
