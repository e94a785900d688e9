"""Text of others in Markdown: names, messages and SQL. It must stay what it is: no formatting, no
HTML, no mention of people, no link.

https://github.github.com/gfm/
"""

import re
from html import escape

from alembic_live.printable import one_line, printable

# A character reference is text: never formatting, the end of a cell, HTML, or a link. An underscore
# between letters needs none.
_FORMATTING = r"[\\`*\[\]<>&|~$]|(?<![^\W_])_|_(?![^\W_])|[wW](?=[wW]{2}\.)|:(?=//)"
_IN_PROSE = re.compile(_FORMATTING)
_IN_CODE = re.compile(rf"{_FORMATTING}|[@#]")
_PLAIN = re.compile(r"[\w./:-]+")
_AT_THE_START = re.compile(r"^(?:[-+=#]|\d(?=\d*[.)]))")  # a list, a heading
# GitHub finds @people, #123, GH-123 and :emoji: in the text, however it is written. A space without
# width separates them from their meaning.
_MENTION = re.compile(r"@|(?<!&)#|\bGH(?=-\d)|:(?=[\w+-]*[a-z_][\w+-]*:)", re.IGNORECASE)
_SEPARATED = r"\g<0>&#8203;"

LONGEST = 1_000  # characters of a text on one line


def prose(text: str) -> str:
    """A text as Markdown on one line that shows the same text."""
    text = _IN_PROSE.sub(_as_reference, one_line(text.strip(), LONGEST))
    return _AT_THE_START.sub(_as_reference, _MENTION.sub(_SEPARATED, text))


def code(text: str) -> str:
    """A text as code on one line, also in a table. GitHub finds no people in code."""
    text = one_line(text.strip(), LONGEST)
    if _PLAIN.fullmatch(text):
        return f"`{text}`"
    return f"<code>{_IN_CODE.sub(_as_reference, text)}</code>"


def fenced(language: str, lines: list[str]) -> list[str]:
    """The lines as a block of code."""
    lines = [printable(line) for line in lines]
    longest = max((len(found) for line in lines for found in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *lines, fence]


def comment(text: str) -> str:
    """A comment that nobody sees. Two hyphens would end it."""
    return f"<!-- {escape(one_line(text)).replace('--', '-&#45;')} -->"


def _as_reference(found: re.Match[str]) -> str:
    return f"&#{ord(found.group())};"
