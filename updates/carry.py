"""Carries a team's changes along where the template has moved or removed a file.

Copier deletes a file that the new version does not render, the team's changes with it. So it runs
this program after such an update, in the project's folder (`_migrations` in copier.yml): the version
before is rendered once more, and what the team had changed in it goes to where moves.yml says. What
finds no place there stays in its old file, as a conflict in git.
"""

from __future__ import annotations

import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from copier import run_copy

MOVES = Path(__file__).with_name("moves.yml")

CONTEXT = 3  # lines around a change that have to stand in a part of a file that was split


def main(answers_file: str) -> None:
    """Carry along what the update that has just been made would lose, and say so."""
    answers = yaml.safe_load(git("show", f"HEAD:./{answers_file}"))
    moves = moves_of(answers["package_name"])
    carried: list[str] = []
    conflicts: list[str] = []
    kept: list[str] = []
    deleted: list[str] = []
    with TemporaryDirectory() as folder:
        before = Path(folder)
        render(answers, before)
        for path in removed(before):
            base, team, to = (before / path).read_bytes(), committed(path), moves.get(path, "")
            moved = Path(to).is_file()
            if team is None:
                if moved and list(moves.values()).count(to) == 1:
                    Path(to).unlink()
                    deleted.append(f"{to}, as {path} was")
            elif team == base:
                continue
            elif moved:
                is_clean = merge(base, team, Path(to))
                (carried if is_clean else conflicts).append(f"{to}, from {path}")
            elif places := to and spread(base, team, Path(to)):
                carried.append(f"{', '.join(places)}, from {path}")
            else:
                keep(path, base, team)
                kept.append(f"{path}, now in {to}" if to else path)
    tell("Your changes have moved along with the template's files:", carried)
    tell("You had deleted these; they stay deleted under their new names:", deleted)
    tell("The template has moved these, and changed what you had changed. Settle it in:", conflicts)
    tell(
        "The template no longer has these, and you had changed them, so they are still there. Put your "
        "changes where they belong and `git rm` the file, or keep it with `git add`:",
        kept,
    )


def moves_of(package_name: str) -> dict[str, str]:
    """Where each file of a project went that a release moved; a folder ends with a slash."""
    text = MOVES.read_text(encoding="utf-8").replace("{{ package_name }}", package_name)
    releases = yaml.safe_load(text)
    return {old: new or "" for moves in releases.values() for old, new in moves.items()}


def render(answers: dict[str, Any], to: Path) -> None:
    """Render the version that the project was at, with the answers of that time."""
    run_copy(
        answers["_src_path"],
        to,
        data={name: answer for name, answer in answers.items() if name[0] != "_"},
        vcs_ref=answers["_commit"],
        defaults=True,
        quiet=True,
    )


def removed(before: Path) -> list[str]:
    """The files of the version before that are not there any more."""
    files = (path.relative_to(before) for path in sorted(before.rglob("*")) if path.is_file())
    return [path.as_posix() for path in files if not path.exists()]


def committed(path: str) -> bytes | None:
    """A file as the team has committed it, or nothing where it has deleted it."""
    found = git("ls-tree", "--name-only", "HEAD", "--", path)
    return git("show", f"HEAD:./{path}") if found else None


def merge(base: bytes, team: bytes, to: Path) -> bool:
    """Merge a team's changes into a file of the new version, and say whether it did so without a
    conflict. Markers and the index look as after Copier's own merges.
    """
    new = to.read_bytes()
    with TemporaryDirectory() as folder:
        sides = [Path(folder, name) for name in ("before", "last", "after")]
        for side, content in zip(sides, (team, base, new), strict=True):
            side.write_bytes(content)
        labels = ("-L", "before updating", "-L", "last update", "-L", "after updating")
        merged = subprocess.run(
            ["git", "merge-file", "--stdout", *labels, *sides], stdout=subprocess.PIPE, check=False
        )
    if merged.returncode > 127:
        raise SystemExit(f"git could not merge your changes into {to}: see the line above")
    to.write_bytes(merged.stdout)
    if merged.returncode:
        mark_unmerged(to.as_posix(), base, team, new)
    return merged.returncode == 0


def spread(base: bytes, team: bytes, folder: Path) -> list[str]:
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


def keep(path: str, base: bytes, team: bytes) -> None:
    """Put a file back as the team had it. To git it is one that the other side deleted."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(team)
    mark_unmerged(path, base, team)


def mark_unmerged(path: str, *sides: bytes) -> None:
    """Tell git that a file has a conflict: last update, before updating, after updating."""
    root = git("rev-parse", "--show-prefix").decode().strip() + path
    blobs = [git("hash-object", "-w", "--stdin", given=side).decode().strip() for side in sides]
    lines = [f"0 {'0' * len(blobs[0])}\t{root}"]  # forgets the version without a conflict
    lines += [f"100644 {blob} {stage}\t{root}" for stage, blob in enumerate(blobs, start=1)]
    git("update-index", "-z", "--index-info", given="\0".join(lines).encode() + b"\0")


def git(*arguments: str, given: bytes | None = None) -> bytes:
    """What a git command prints."""
    return subprocess.run(
        ["git", *arguments], input=given, stdout=subprocess.PIPE, check=True
    ).stdout


def tell(what: str, files: list[str]) -> None:
    """Say something about some files, where there are any."""
    if files:
        print(f"\n{what}", *files, sep="\n  ", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
