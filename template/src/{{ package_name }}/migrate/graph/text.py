"""Names and texts as Mermaid takes them."""

import re

from ...printable import printable

_SPECIAL = re.compile(r"""["%\\<>&#;`{}\r\n\t\v\b]""")
_KEY = re.compile(r"(?:PK|FK|UK)(?![A-Za-z0-9_])", re.IGNORECASE)
_LETTER = r"A-Za-z_\u00C0-\uFFFF"


def escaped(text: str) -> str:
    """A text for quotation marks.

    https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters
    """
    return _SPECIAL.sub(lambda found: f"#{ord(found.group())};", printable(text))


def name_word(name: str) -> str:
    """The nearest to a column's name that may stand without quotation marks."""
    text = re.sub(rf"[^{_LETTER}0-9]", "_", printable(name))
    is_free = re.match(rf"[{_LETTER}]", text) and not _KEY.match(text)
    return text if is_free else f"_{text}"


def type_word(type_: str) -> str:
    """Likewise of a type, which has parentheses: `numeric(10_2)`."""
    return re.sub(rf"[^{_LETTER}0-9()\[\]]", "_", printable(type_))
