"""Merges files by their parts: functions, fields, arguments, settings.

A merge of lines needs the lines around a change. Where the template has rewritten these, the change
still has a place if its part has one: a field of a class, a test of a module, a dependency of a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher


class ConflictError(Exception):
    """A change has no place, or both sides have changed the same part."""


@dataclass
class Piece:
    """Some lines of a file that belong together.

    Attributes:
        key: what the piece is called among its neighbours.
        kind: `module`, `class`, `function` or `brackets` in Python; `document`, `table`, `array` or
            `row` (an array in one line) in TOML; `comment`; `lines` is everything else.
        head: all lines of a piece without parts, else those above its parts.
        parts: the pieces in it.
        tail: the lines below its parts.
        gap: the number of empty lines above it.
        above: the comment directly above it.
    """

    key: str
    kind: str
    head: list[str]
    parts: list[Piece] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    gap: int = 0
    above: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """Its lines, without those of the gap."""
        if self.kind == "row":
            elements = ", ".join(part.text for part in self.parts)
            return [*self.above, f"{self.head[0]}{elements}{self.tail[0]}"]
        inner = [line for part in self.parts for line in ["\n"] * part.gap + part.lines]
        return [*self.above, *self.head, *inner, *self.tail]

    @property
    def text(self) -> str:
        """Its text, without the gap."""
        return "".join(self.lines)


def merged(base: Piece, team: Piece, new: Piece) -> Piece:
    """The new version of a piece with the team's changes.

    Raises:
        ConflictError: a change has no place in it, or both sides have changed the same.
    """
    if team.text in (base.text, new.text):
        return new
    if base.text == new.text:
        return replace(team, gap=new.gap)
    if any(side.above for side in (base, team, new)):
        above = _one_of(base.above, team.above, new.above)
        below = merged(*(replace(side, above=[]) for side in (base, team, new)))
        return replace(below, above=above)
    try:
        return _merged_by_parts(base, team, new)
    except ConflictError:
        if new.kind in ("module", "document"):
            raise
    return replace(new, head=_placed(base.lines, team.lines, new.lines), parts=[], tail=[])


def by_key(parts: Sequence[Piece]) -> dict[str, Piece]:
    """The parts by their keys. A key that comes again gets a number."""
    found: dict[str, Piece] = {}
    for part in parts:
        key, number = part.key, 1
        while key in found:
            number += 1
            key = f"{part.key} #{number}"
        found[key] = part
    return found


def _merged_by_parts(base: Piece, team: Piece, new: Piece) -> Piece:
    if not base.kind == team.kind == new.kind or not (base.parts and team.parts and new.parts):
        raise ConflictError(new.key)
    was, theirs, result = by_key(base.parts), by_key(team.parts), by_key(new.parts)
    deleted = was.keys() - theirs.keys()
    if new.kind in ("module", "function") and deleted - result.keys():
        added = (theirs[key].kind for key in theirs.keys() - was.keys())
        if not {*added} <= {"class", "function", "comment"}:
            raise ConflictError(new.key)  # a statement of another kind may stand for a deleted one
    for key in deleted & result.keys():
        if result.pop(key).text != was[key].text:
            raise ConflictError(key)
    order = list(theirs)
    for place, key in enumerate(order):
        part, old = theirs[key], was.get(key)
        if old is not None and part.text == old.text:
            continue
        if key in result:
            if old is None and part.text != result[key].text:
                raise ConflictError(key)
            result[key] = merged(old, part, result[key]) if old else result[key]
        else:
            addition = _addition(old, part, new)
            if new.kind == "module" and part.kind in ("class", "function"):
                addition = replace(addition, gap=2)
            result = _inserted(result, key, addition, order[place + 1 :])
    return replace(
        new,
        head=_one_of(base.head, team.head, new.head),
        parts=list(result.values()),
        tail=_one_of(base.tail, team.tail, new.tail),
    )


def _one_of(base: list[str], team: list[str], new: list[str]) -> list[str]:
    if team in (base, new):
        return new
    if base == new:
        return team
    raise ConflictError("".join(team))


def _addition(old: Piece | None, part: Piece, container: Piece) -> Piece:
    """What of a team's part goes into a container that does not have it."""
    if old is None or part.kind == "comment" or container.kind in ("class", "array", "row"):
        return part  # in a class it overrides what the class inherits
    if part.kind == "table" and (part.above, part.head) == (old.above, old.head):
        was = by_key(old.parts)
        added = [piece for key, piece in by_key(part.parts).items() if key not in was]
        kept = [piece for key, piece in by_key(part.parts).items() if key in was]
        if all(piece.text == was[piece.key].text for piece in kept):
            return replace(part, parts=added)
    raise ConflictError(part.key)


def _inserted(
    parts: dict[str, Piece], key: str, piece: Piece, following: Sequence[str]
) -> dict[str, Piece]:
    """The parts with one more, which goes in front of the first that follows it in the team's file."""
    follows = next((other for other in following if other in parts), None)
    result: dict[str, Piece] = {}
    for other, part in parts.items():
        if other == follows:
            result[key] = piece
            part = replace(part, gap=max(part.gap, piece.gap))
        result[other] = part
    result.setdefault(key, piece)
    return result


def _placed(base: list[str], team: list[str], new: list[str]) -> list[str]:
    """The new lines with the team's changes, each where its old lines, or one beside it, are found
    exactly once.

    Raises:
        ConflictError: there is no such place.
    """
    result = list(new)
    matcher = SequenceMatcher(None, base, team, autojunk=False)
    for kind, start, end, team_start, team_end in matcher.get_opcodes():
        theirs = team[team_start:team_end]
        if kind == "equal":
            continue
        if kind == "insert":
            below = _only_place(base[start : start + 1], base, result)
            above = _only_place(base[max(start - 1, 0) : start], base, result)
            at = below if below is not None else above + 1 if above is not None else None
        else:
            at = _only_place(base[start:end], base, result)
        if at is None:
            raise ConflictError("".join(theirs or base[start:end]))
        result[at : at + end - start] = theirs
    return result


def _only_place(block: list[str], *texts: list[str]) -> int | None:
    """Where a block stands in the last of some texts, if each has it once and it says something."""
    if sum(character.isalnum() for character in "".join(block)) < 3:
        return None
    size, place = len(block), None
    for lines in texts:
        found = [at for at in range(len(lines) - size + 1) if lines[at : at + size] == block]
        if len(found) != 1:
            return None
        [place] = found
    return place
