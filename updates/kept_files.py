"""Files that both sides have changed and that are where they were.

Copier has merged their lines. Where it could not, their parts may fit. Where it could, a line of the
team's may use a name that the template's side no longer imports.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from by_parts import merged_by_parts
from git import content, git, mark_merged, merge, unmerged
from names import bound, with_lost_names
from old_names import OldNames


@dataclass
class KeptFiles:
    """What became of the team's changes in files that the new version has too.

    Attributes:
        joined: the files whose lines conflicted and whose parts did not.
        back: names that the team had deleted and that are in a file again.
    """

    before: Path
    team: Path
    names: OldNames
    joined: list[str] = field(default_factory=list)
    back: dict[str, list[str]] = field(default_factory=dict)

    def settle(self, moved: Collection[str]) -> None:
        """Merge by parts what Copier could not merge by lines, and give each file what it uses.

        Args:
            moved: the files whose conflict is with a file that has moved to them.
        """
        for path in sorted({*unmerged()}.difference(moved)):
            base, team, new = *self._sides(path), _in_index(path)
            if base is not None and team is not None and new is not None:
                merged, is_clean = merge(base, team, new)  # without the CRLF of `core.autocrlf`
                if not is_clean:
                    by_parts = merged_by_parts(path, base, team, new, self.names.package)
                    merged, is_clean = (merged, False) if by_parts is None else (by_parts, True)
                Path(path).write_bytes(merged)
                if is_clean:
                    mark_merged(path)
                    self.joined.append(path)
        conflicts = unmerged()
        for file in sorted(self.before.rglob("*.py")):
            path = file.relative_to(self.before).as_posix()
            if path not in conflicts and Path(path).is_file():
                self._complete(path, *self._sides(path))

    def _sides(self, path: str) -> tuple[bytes | None, bytes | None]:
        """A file at the last update, and before this one."""
        return content(self.before / path), content(self.team / path)

    def _complete(self, path: str, base: bytes | None, team: bytes | None) -> None:
        """Import or define what a merged file uses and lacks."""
        if base is None or team is None or base == team:
            return
        try:
            sides = (base, team, Path(path).read_bytes())
            was, theirs, text = (side.decode() for side in sides)
            for side in (was, theirs, text):
                ast.parse(side)
        except (SyntaxError, ValueError):
            return
        completed = with_lost_names(
            text, theirs, self.names.package, lambda each: self.names.today(each, path)
        )
        if completed != text:
            Path(path).write_bytes(completed.encode())
        if back := sorted((bound(was) - bound(theirs)) & bound(completed)):
            self.back[path] = back


def _in_index(path: str) -> bytes | None:
    """A file as the new version renders it, which Copier left in the index for a conflict."""
    stages = git("ls-files", "--stage", "--", path).decode()
    if not any(line.split("\t")[0].endswith(" 3") for line in stages.splitlines()):
        return None
    return git("show", f":3:./{path}")
