"""Files that a release moved or removed: what a team had changed in them goes to where they are now.

Copier deletes a file that the new version does not render, the team's changes with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

import yaml
from by_parts import merged_by_parts
from git import content, mark_unmerged, merge
from old_names import OldNames
from own_definitions import own_definitions

MOVES = Path(__file__).with_name("moves.yml")

CONTEXT = 3  # lines around a change that have to stand in a part of a file that was split
ALIKE = 0.3  # the share of lines that is left; below it a conflict would hold two whole files


@dataclass
class MovedFiles:
    """What became of the team's changes in files that are gone.

    Attributes:
        carried: the files of today, each with the old one.
        conflicts: those of today that have a conflict, each with the old one.
        kept: the old files that are still there, each with where the template's content is.
        deleted: files that the team had deleted and that are deleted where they are now.
        own: the old files that are there with what the team had added, and nothing else.
    """

    before: Path
    team: Path
    names: OldNames
    carried: dict[str, str] = field(default_factory=dict)
    conflicts: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    own: list[str] = field(default_factory=list)

    def carry(self) -> None:
        """Bring the changes to where the files are now."""
        for path in self._gone():
            Path(f"{path}.rej").unlink(missing_ok=True)  # of `--conflict rej`
            base, team = (self.before / path).read_bytes(), content(self.team / path)
            to = self.names.moves.get(path)
            if team is None:
                self._delete(path, to)
            elif team == base or self._leave_own(path, base, team):
                continue
            elif not to or not self._carry(path, base, team, to):
                _keep(path, base, team)
                self.kept[path] = to or ""

    def _gone(self) -> list[str]:
        """The files of the version before that are not there any more."""
        files = (path for path in sorted(self.before.rglob("*")) if path.is_file())
        paths = [path.relative_to(self.before) for path in files]
        return [path.as_posix() for path in paths if not path.exists()]

    def _delete(self, path: str, to: str | None) -> None:
        """Delete a file that has moved and that the team had deleted. The library stays whole."""
        is_only = [*self.names.moves.values()].count(to or "") == 1
        if to and Path(to).is_file() and is_only and not to.startswith("packages/"):
            Path(to).unlink()
            self.deleted[to] = path

    def _leave_own(self, path: str, base: bytes, team: bytes) -> bool:
        """Leave a module with what the team has added, if it has changed nothing else."""
        if not path.endswith(".py"):
            return False
        text = own_definitions(
            base, team, self.names.package, lambda each: self.names.today(each, path)
        )
        if text is None:
            return False
        _write(path, text.encode())
        self.own.append(path)
        return True

    def _carry(self, path: str, base: bytes, team: bytes, to: str) -> bool:
        """Bring the changes in a file to where it is now, and say whether they have a place there."""
        if not Path(to).is_file():
            parts = _spread(base, team, Path(to)) if to.endswith("/") else []
            self.carried |= dict.fromkeys(parts, path)
            return bool(parts)
        new = Path(to).read_bytes()
        merged, is_clean = merge(base, team, new)
        if not is_clean and to not in self.conflicts:
            by_parts = merged_by_parts(to, base, team, new, self.names.package)
            merged, is_clean = (merged, False) if by_parts is None else (by_parts, True)
        if is_clean:
            self.carried[to] = path
        elif _likeness(base, new) < ALIKE:
            return False
        else:
            self.conflicts[to] = path
            mark_unmerged(to, base, team, new)
        Path(to).write_bytes(merged)
        return True


def moves_of(package_name: str) -> dict[str, str]:
    """Where each file of a project went that a release moved. A folder ends with a slash; a file
    that has no successor went to "".
    """
    text = MOVES.read_text(encoding="utf-8").replace("{{ package_name }}", package_name)
    releases = yaml.safe_load(text)
    return {old: new or "" for moves in releases.values() for old, new in moves.items()}


def _likeness(base: bytes, new: bytes) -> float:
    """The share of a file's lines that another version still has."""
    lines, others = ([line for line in side.splitlines() if line.strip()] for side in (base, new))
    blocks = SequenceMatcher(None, lines, others, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / max(len(lines), 1)


def _spread(base: bytes, team: bytes, folder: Path) -> list[str]:
    """Bring a team's changes into the parts of a file that was split, and name these; or none at
    all, unless the lines around each change stand in exactly one place.
    """
    old, changed = base.splitlines(keepends=True), team.splitlines(keepends=True)
    parts = {
        path: path.read_bytes().splitlines(keepends=True) for path in sorted(folder.glob("*.py"))
    }
    touched = set()
    for hunk in SequenceMatcher(None, old, changed, autojunk=False).get_grouped_opcodes(CONTEXT):
        here = old[hunk[0][1] : hunk[-1][2]]
        spots = [
            (path, start)
            for path, lines in parts.items()
            for start in range(len(lines))
            if lines[start : start + len(here)] == here
        ]
        if len(spots) != 1:
            return []
        [(path, start)] = spots
        parts[path][start : start + len(here)] = changed[hunk[0][3] : hunk[-1][4]]
        touched.add(path)
    for path in touched:
        path.write_bytes(b"".join(parts[path]))
    return sorted(path.as_posix() for path in touched)


def _keep(path: str, base: bytes, team: bytes) -> None:
    """Put a file back as the team had it. To git it is one that the other side deleted."""
    _write(path, team)
    mark_unmerged(path, base, team)


def _write(path: str, content: bytes) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)
