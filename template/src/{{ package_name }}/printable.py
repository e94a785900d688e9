"""Text for a terminal, a log or a report. What a server, a file or a user wrote may hold characters
that a terminal obeys, that reverse the reading direction, or that nobody sees.
"""

import json
import re
from typing import Any

# Control characters, the bidirectional controls, other line separators, what has no width, and
# halves of characters. Joiners stay: Persian, Hindi and emoji need them.
# https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
_HIDDEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
)
_IN_TEXT = re.compile(f"[{_HIDDEN}]")
_IN_A_LINE = re.compile(f"[{_HIDDEN}\t\n]")
_ESCAPES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}

# A line that GitHub would take for a command: ::error::… or ##[error]…
# https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
_COMMAND = re.compile(r"^([ \t]*)(?=::[\w-]+[^\n]*?::|##\[)(.)", re.MULTILINE)

LONGEST_LINE = 2_000  # characters


def printable(text: str) -> str:
    """The text in its lines, with every hidden character as a visible escape: `\\x1b`, `\\u202e`."""
    shown = _IN_TEXT.sub(_escape, text)
    return _COMMAND.sub(lambda found: f"{found[1]}\\x{ord(found[2]):02x}", shown)


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """The text on one line, with line breaks as visible escapes too. The middle of a longer text is
    left out.
    """
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]} … {len(text) - 2 * half:,} more characters … {text[-half:]}"
    return _IN_A_LINE.sub(_escape, text)


def is_printable(text: str) -> bool:
    """Whether the text is one line without a hidden character."""
    return not _IN_A_LINE.search(text)


def as_json(value: Any) -> str:
    """JSON for people and programs. A hidden character is written as JSON's own escape, so that
    programs read the same value.
    """
    return _IN_TEXT.sub(_escape_in_json, json.dumps(value, indent=2, ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    return _ESCAPES.get(character) or character.encode("unicode-escape").decode("ascii")


def _escape_in_json(found: re.Match[str]) -> str:
    return json.dumps(found.group())[1:-1]
