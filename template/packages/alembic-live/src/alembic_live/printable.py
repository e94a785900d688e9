"""Text for terminals, logs and reports. Text from a server, a file or a user may have control
characters, bidirectional overrides and invisible characters: they are shown as escapes.
"""

import json
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

# Control characters, bidirectional controls, other line separators, characters without width, and
# surrogates. Joiners stay: Persian, Hindi and emoji need them.
# https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
_HIDDEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
)
_IN_TEXT = re.compile(f"[{_HIDDEN}]")
_IN_A_LINE = re.compile(f"[{_HIDDEN}\t\n]")
_ESCAPES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}

# A line that GitHub reads as a command: ::error::… or ##[error]…
# https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
_COMMAND = re.compile(r"^([ \t]*)(?=::[\w-]+[^\n]*?::|##\[)(.)", re.MULTILINE)

_WITHOUT_UV = (
    (re.compile(r"\buv run --with (\S+) "), r"pip install \1 && "),
    (re.compile(r"\buv run (?=alembic\b|db\b|pytest\b)"), ""),
    (re.compile(r"\buv add (--dev )?"), "pip install "),
    (re.compile(r"\buv sync\b"), "pip install"),
)

LONGEST_LINE = 2_000  # characters


def printable(text: str) -> str:
    """The text with each hidden character as a visible escape: `\\x1b`, `\\u202e`. Lines stay."""
    shown = _IN_TEXT.sub(_escape, text)
    return _COMMAND.sub(lambda found: f"{found[1]}\\x{ord(found[2]):02x}", shown)


def as_typed(text: str) -> str:
    """The text with its commands as this environment takes them: without uv, `uv run db lint` is
    `db lint`, and `uv add` is `pip install`.
    """
    if not _has_uv():
        for command, other in _WITHOUT_UV:
            text = command.sub(other, text)
    return text


@cache
def _has_uv() -> bool:
    """Whether uv made the environment and is here: an image may have the environment alone."""
    if "UV" in os.environ:  # set by `uv run`
        return True
    import shutil  # slow to import, and only messages need it

    try:
        settings = (Path(sys.prefix) / "pyvenv.cfg").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return "\nuv =" in f"\n{settings}" and shutil.which("uv") is not None


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """The text on one line: line breaks are escaped too. Of a longer text the middle is left out."""
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]} … {len(text) - 2 * half:,} more characters … {text[-half:]}"
    return _IN_A_LINE.sub(_escape, text)


def is_printable(text: str) -> bool:
    """Whether the text is one line without a hidden character."""
    return not _IN_A_LINE.search(text)


def as_json(value: Any) -> str:
    """The value as JSON. Hidden characters are escaped as JSON does, so that programs read the same
    value.
    """
    return _IN_TEXT.sub(_escape_in_json, json.dumps(value, indent=2, ensure_ascii=False))


def as_json_line(value: Any) -> str:
    """The value as JSON on one line. What JSON does not know is written as text."""
    return _IN_A_LINE.sub(_escape_in_json, json.dumps(value, ensure_ascii=False, default=str))


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    return _ESCAPES.get(character) or character.encode("unicode-escape").decode("ascii")


def _escape_in_json(found: re.Match[str]) -> str:
    return json.dumps(found.group())[1:-1]
