"""Splits SQL into tokens and statements as Postgres does.

https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_LETTER = r"A-Za-z_\u0080-\U0010ffff"  # to Postgres, every non-ASCII character is a letter

_TOKEN = re.compile(
    rf"""
    (?P<space>   [ \t\n\r\f\v]+ )
  | (?P<comment> --[^\n\r]* )
  | (?P<block>   /\* )
  | (?P<dollar>  \$(?:[{_LETTER}][{_LETTER}0-9]*)?\$ )
  | (?P<quote>   (?:[bBeEnNxX]|[uU]&)?' )
  | (?P<name>    (?:[uU]&)?"[^"]*+(?:""[^"]*+)*+" )
  | (?P<open>    (?:[uU]&)?" )
  | (?P<word>    [{_LETTER}][{_LETTER}0-9$]* )
  | (?P<number>  (?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? )
  | (?P<parameter> \$[0-9]+ )
  | (?P<sign>    :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_WITH_BODIES = {"FUNCTION", "PROCEDURE"}
_COMMENT_MARK = re.compile(r"/\*|\*/")

# The rest of a string after its opening quotation mark, with the closing one.
_BITS = re.compile(r"[^']*'")
_STRING = re.compile(r"[^']*+(?:''[^']*+)*+'")
_ESCAPE_STRING = re.compile(r"[^'\\]*+(?:(?:''|\\.)[^'\\]*+)*+'", re.DOTALL)
# A string can continue after a line break, and keeps its form.
_CONTINUED = re.compile(r"(?:[ \t\f\v]|--[^\n\r]*)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*+'")


class Token(NamedTuple):
    """A piece of SQL.

    Its kind is `space`, `comment`, `string`, `name` (a quoted identifier), `word`, `number`,
    `parameter`, `sign` or `unfinished`. The last is the rest of the SQL after the start of a
    comment or a string that does not end.
    """

    kind: str
    text: str

    @property
    def is_blank(self) -> bool:
        """Whether the token is a space or a comment."""
        return self.kind in ("space", "comment")


def tokens(sql: str, *, backslashes: bool = False) -> Iterator[Token]:
    """The tokens of some SQL. Their texts, joined, are the SQL.

    Args:
        sql: any text.
        backslashes: whether a backslash is an escape in every string, as with
            standard_conforming_strings off. Default: in `E'…'` only.
    """
    position = 0
    while found := _TOKEN.match(sql, position):
        kind, end = found.lastgroup or "sign", found.end()
        if kind == "block":
            kind, end = "comment", _end_of_comment(sql, end)
        elif kind == "dollar":
            kind, end = "string", _end_of_dollar_quoted(sql, found)
        elif kind == "quote":
            kind, end = "string", _end_of_string(sql, end, _pattern(found.group(), backslashes))
        elif kind == "open":
            end = -1
        if end < 0:
            yield Token("unfinished", sql[position:])
            return
        yield Token(kind, sql[position:end])
        position = end


def is_ambiguous(sql: str) -> bool:
    """Whether standard_conforming_strings decides where a string ends."""
    return "\\" in sql and list(tokens(sql)) != list(tokens(sql, backslashes=True))


def statements(sql: str) -> Iterator[list[Token]]:
    """The tokens of each statement, with the semicolon at its end. Semicolons inside parentheses
    (CREATE RULE) or in the body of a function (BEGIN ATOMIC … END) do not end a statement.
    """
    statement: list[Token] = []
    opening: list[str] = []  # the first words of the statement
    depth = 0  # of parentheses
    in_body = False
    before = ""  # the previous token
    for token in tokens(sql):
        statement.append(token)
        if token.is_blank:
            continue
        if token.text == ";" and depth <= 0 and not in_body:
            yield statement
            statement, opening, depth, before = [], [], 0, ""
            continue
        depth += (token.text == "(") - (token.text == ")")
        word = token.text.upper() if token.kind == "word" else token.text
        if len(opening) < 4:
            opening.append(word)
        if in_body:  # of statements, each with a semicolon: another END ends a CASE, or is a name
            in_body = not (word == "END" and before in (";", "ATOMIC"))
        elif (before, word) == ("BEGIN", "ATOMIC") and depth <= 0:
            in_body = opening[0] == "CREATE" and not _WITH_BODIES.isdisjoint(opening)
        before = word
    if statement:
        yield statement


def split_list(sql: str) -> tuple[str, list[str], str]:
    """Split SQL at its first list in parentheses, as in CREATE TABLE and CREATE INDEX: the text up to
    the list, the texts between its commas, and the text after it.
    """
    head, parts, tail = "", [""], ""
    depth = 0  # of parentheses and brackets
    for kind, text in tokens(sql):
        depth -= text in (")", "]")
        if tail or (depth == 0 and text == ")"):
            tail += text
        elif depth == 0:
            head += text
        elif depth == 1 and text == "," and kind == "sign":
            parts.append("")
        else:
            parts[-1] += text
        depth += text in ("(", "[")
    return head.removesuffix("("), parts, tail.removeprefix(")")


def _end_of_comment(sql: str, position: int) -> int:
    depth = 1
    while depth:
        found = _COMMENT_MARK.search(sql, position)
        if found is None:
            return -1
        depth += 1 if found.group() == "/*" else -1
        position = found.end()
    return position


def _end_of_dollar_quoted(sql: str, opening: re.Match[str]) -> int:
    start = sql.find(opening.group(), opening.end())
    return -1 if start < 0 else start + len(opening.group())


def _pattern(opening: str, backslashes: bool) -> re.Pattern[str]:
    match opening[0]:
        case "b" | "B" | "x" | "X":
            return _BITS
        case "e" | "E":
            return _ESCAPE_STRING
        case "'" | "n" | "N" if backslashes:
            return _ESCAPE_STRING
    return _STRING


def _end_of_string(sql: str, position: int, pattern: re.Pattern[str]) -> int:
    while found := pattern.match(sql, position):
        continued = _CONTINUED.match(sql, found.end())
        if continued is None:
            return found.end()
        position = continued.end()
    return -1
