"""SQL as words: split into statements, and compared with a synopsis as Postgres's documentation has
them.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, Self

# https://www.postgresql.org/docs/current/sql-syntax-lexical.html
TOKEN = re.compile(
    r"""
    (?P<blank>  \s+ | --[^\n]* | /\*.*?\*/ )
  | (?P<string> [eE]'(?:[^'\\]|\\.|'')*' | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'
              | \$(?P<tag>(?:[^\W\d]\w*)?)\$ .*? \$(?P=tag)\$ )
  | (?P<name>   (?:[uU]&)?"(?:[^"]|"")+" )
  | (?P<word>   [^\W\d][\w$]* )
  | (?P<number> \d[\w.]* )
  | (?P<sign>   :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)

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


class Token(NamedTuple):
    """A word, a name in quotation marks, a string, a number or a sign."""

    kind: str
    text: str


class Statement(NamedTuple):
    """One statement."""

    tokens: tuple[Token, ...]

    @property
    def text(self) -> str:
        """In one line: words in capitals, names as they are, strings without what is in them."""
        return " ".join(
            "''" if kind == "string" else _capitals(text) if kind == "word" else text
            for kind, text in self.tokens
        )

    @property
    def source(self) -> str:
        """In one line, as it was written."""
        return " ".join(" ".join(text.split()) for _, text in self.tokens)

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
    """The statements of a script. The body of a function may be SQL without quotation marks:
    semicolons between BEGIN ATOMIC and END end no statement.
    """
    tokens: list[Token] = []
    atomic = False
    for token in _tokens(sql):
        if token.text == ";" and not atomic:
            if tokens:
                yield Statement(tuple(tokens))
            tokens = []
            continue
        tokens.append(token)
        words = [each.text.upper() for each in tokens[-2:] if each.kind == "word"]
        atomic = (atomic or words == ["BEGIN", "ATOMIC"]) and words[-1:] != ["END"]
    if tokens:
        yield Statement(tuple(tokens))


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


def _tokens(sql: str) -> Iterator[Token]:
    for found in TOKEN.finditer(sql):
        if found.lastgroup and found.lastgroup != "blank":
            yield Token(found.lastgroup, found.group())


def _words(text: str) -> list[str]:
    return [found.group() for found in TOKEN.finditer(text) if not found["blank"]]


def _capitals(word: str) -> str:
    """ASCII only, as Postgres does it."""
    return re.sub("[a-z]+", lambda found: found.group().upper(), word)


def _unquoted(name: str) -> str:
    if name.endswith('"'):
        return name[name.index('"') + 1 : -1].replace('""', '"')
    return re.sub("[A-Z]+", lambda found: found.group().lower(), name)
