"""Splits SQL into statements, and matches a statement with a synopsis as in Postgres's
documentation.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, Self

from alembic_live.sql.lexer import Token, statements, tokens
from alembic_live.sql.quoting import unquoted

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
    """The name of a table. Without a schema, Postgres looks on the search path."""

    schema: str | None
    name: str

    @classmethod
    def of(cls, text: str) -> Self:
        """The name in a statement: `other . "My table"`."""
        *before, last = [unquoted(part) for part in PARTS.findall(text)]
        return cls(before[-1] if before else None, last)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


class Statement(NamedTuple):
    """One statement."""

    sql: str  # the source
    tokens: tuple[Token, ...]  # without spaces and comments

    @property
    def text(self) -> str:
        """The statement on one line: words in capitals, strings empty."""
        return " ".join(
            "''" if kind == "string" else _capitals(text) if kind == "word" else text
            for kind, text in self.tokens
        )

    def strings(self) -> list[str]:
        """The contents of the strings."""
        return [
            token.text[1:-1].replace("''", "'")
            for token in self.tokens
            if token.kind == "string" and token.text.startswith("'")
        ]

    def names(self) -> Iterator[str]:
        """All words that can be names."""
        for token in self.tokens:
            if token.kind in ("word", "name"):
                yield unquoted(token.text)


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
    """Match the start of a statement with a synopsis: `DROP INDEX [IF EXISTS] <index>`.

    `[…]` is optional, `{A|B}` is one of the alternatives, `...` is anything and `_` is any name.
    `<table>` is a name and `<tables>` a list of names; both are groups of the match.
    """
    return _compiled(synopsis).match(f"{text} ")


def split_at_commas(text: str) -> list[str]:
    """Split at the commas outside parentheses."""
    parts, depth = [[""]], 0
    for word in _words(text):
        depth += (word in ("(", "[")) - (word in (")", "]"))
        if word == "," and depth == 0:
            parts.append([""])
        else:
            parts[-1].append(word)
    return [" ".join(part).strip() for part in parts]


def names_of(text: str) -> list[Name]:
    """The names in a comma-separated list."""
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
    """In capitals. Postgres folds ASCII letters only."""
    return re.sub("[a-z]+", lambda found: found.group().upper(), word)
