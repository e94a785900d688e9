"""The parts of a TOML file: its tables, their settings, and the elements of their arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pieces import ConflictError, Piece

tomllib: Any
try:
    import tomllib
except ModuleNotFoundError:  # Copier runs on Python 3.10 too, which cannot read TOML
    tomllib = None

_ROW = re.compile(r"([^=\[]+=\s*\[)(.*)(\][^\]]*)", re.DOTALL)
_ELEMENT = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_REQUIREMENT = re.compile(r"""\s*["']([A-Za-z0-9][\w.-]*)\s*(?:[\[<>=!~;@].*)?["']""")


def toml_pieces(text: str) -> Piece:
    """
    Raises:
        ConflictError: it is not TOML, or this Python cannot read it.
    """
    _require_toml(text)
    tables = [Piece("", "table", [])]
    above: list[str] = []  # comments that belong to what follows
    gap = 0
    lines = iter(f"{line}\n" for line in text.splitlines())
    for line in lines:
        if not line.strip():
            if above:
                tables[-1].parts.append(Piece("".join(above), "comment", above, gap=gap))
                above, gap = [], 0
            gap += 1
        elif line.lstrip().startswith("#"):
            above.append(line)
        else:
            if line.startswith("["):
                tables.append(Piece(line.strip(), "table", [line], gap=gap, above=above))
            else:
                tables[-1].parts.append(_setting(above, line, lines, gap))
            above, gap = [], 0
    if above:
        tables[-1].parts.append(Piece("".join(above), "comment", above, gap=gap))
    for table in tables:
        if table.key.startswith("[[") and table.parts:  # the tables of an array have one name
            table.key += table.parts[0].text
    return Piece("", "document", [], tables)


def _require_toml(text: str) -> None:
    if tomllib is None:
        raise ConflictError("no tomllib")
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConflictError(str(error)) from None


def _setting(above: list[str], line: str, lines: Iterator[str], gap: int) -> Piece:
    """A setting with its value, which may go on in the lines below."""
    value = [line]
    while not _is_complete("".join(value)):
        value.append(next(lines))
    key = line.partition("=")[0].strip()
    if len(value) > 2 and line.rstrip().endswith("[") and value[-1].startswith("]"):
        return Piece(key, "array", [line], [*_elements(value[1:-1])], value[-1:], gap, above)
    if row := _row(line) if len(value) == 1 else None:
        opening, elements, closing = row
        parts = [Piece(element, "lines", [element]) for element in elements]
        return Piece(key, "row", [opening], parts, [closing], gap, above)
    return Piece(key, "lines", value, gap=gap, above=above)


def _is_complete(setting: str) -> bool:
    try:
        tomllib.loads(setting)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _elements(lines: list[str]) -> Iterator[Piece]:
    """The elements of an array. A requirement is called by its package."""
    above: list[str] = []
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            above.append(line)
            continue
        requirement = _REQUIREMENT.match(line)
        key = requirement[1].lower() if requirement else line.partition("#")[0].strip(" ,\n")
        yield Piece(key, "lines", [line], above=above)
        above = []
    if above:
        yield Piece("".join(above), "comment", above)


def _row(line: str) -> tuple[str, list[str], str] | None:
    """An array of strings in one line: what opens it, its elements, and what closes it."""
    found = _ROW.fullmatch(line)
    if not found:
        return None
    opening, inner, closing = found.groups()
    elements = _ELEMENT.findall(inner)
    return (opening, elements, closing) if ", ".join(elements) == inner else None
