"""What an update needs of git: versions of files, merges, and conflicts that `git status` shows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

MARKERS = (b"<<<<<<< before updating", b">>>>>>> after updating")  # as Copier writes them


def git(*arguments: str, given: bytes | None = None) -> bytes:
    """What a git command prints."""
    return subprocess.run(
        ["git", *arguments], input=given, stdout=subprocess.PIPE, check=True
    ).stdout


def tracked(*patterns: str) -> list[str]:
    """The files in git that are still there, by their paths in the project."""
    found = os.fsdecode(git("ls-files", "-z", "--", *patterns)).split("\0")
    return [path for path in dict.fromkeys(found) if path and Path(path).is_file()]


def committed_files(to: Path) -> None:
    """Write the files of the project into a folder, as the team has committed them."""
    blobs = {}
    for line in os.fsdecode(git("ls-tree", "-r", "-z", "HEAD")).split("\0")[:-1]:
        about, path = line.split("\t")
        mode, _, blob = about.split()
        if mode.startswith("100"):  # no link, and no submodule
            blobs[path] = blob
    contents = git(
        "cat-file", "--batch", given="".join(f"{blob}\n" for blob in blobs.values()).encode()
    )
    at = 0
    for path in blobs:
        begin = contents.index(b"\n", at) + 1
        end = begin + int(contents[at:begin].split()[2])
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        (to / path).write_bytes(contents[begin:end])
        at = end + 1


def content(file: Path) -> bytes | None:
    """The content of a file, if there is one."""
    return file.read_bytes() if file.is_file() else None


def is_ignored(path: str) -> bool:
    """Whether git ignores a file."""
    return subprocess.run(["git", "check-ignore", "--quiet", path], check=False).returncode == 0


def unmerged() -> list[str]:
    """The files that have a conflict, by their paths in the project."""
    found = git("diff", "--name-only", "--relative", "--diff-filter=U", "-z").decode().split("\0")
    return [path for path in found if path]


def rejected() -> list[str]:
    """The files with hunks that did not fit, as `--conflict rej` leaves them."""
    found = os.fsdecode(git("ls-files", "--others", "-z", "--", "*.rej")).split("\0")
    return [path for path in found if path]


def merge(base: bytes, team: bytes, new: bytes) -> tuple[bytes, bool]:
    """Merge a team's changes into a new version. Returns the text, with conflict markers as Copier
    writes them, and whether it has none.
    """
    with TemporaryDirectory() as folder:
        sides = [Path(folder, name) for name in ("before", "last", "after")]
        for side, content in zip(sides, (team, base, new), strict=True):
            side.write_bytes(content)
        labels = ("-L", "before updating", "-L", "last update", "-L", "after updating")
        merged = subprocess.run(
            ["git", "merge-file", "--stdout", *labels, *sides], stdout=subprocess.PIPE, check=False
        )
    if merged.returncode > 127:
        raise SystemExit("git merge-file failed: see the line above.")
    return merged.stdout, merged.returncode == 0


def sides(text: bytes) -> tuple[bytes, bytes]:
    """A file with conflicts, with the lines of before the update and with those of after it."""
    before: list[bytes] = []
    after: list[bytes] = []
    both: tuple[list[bytes], ...] = (before, after)
    to = both
    for line in text.splitlines(keepends=True):
        if line.rstrip() == MARKERS[0]:
            to = (before,)
        elif to != both and line.startswith(b"||||||| "):  # git's conflictStyle shows the base too
            to = ()
        elif to != both and line.rstrip() == b"=======":
            to = (after,)
        elif line.rstrip() == MARKERS[1]:
            to = both
        else:
            for side in to:
                side.append(line)
    return b"".join(before), b"".join(after)


def mark_unmerged(path: str, *sides: bytes) -> None:
    """Tell git that a file has a conflict.

    Args:
        path: the path in the project.
        sides: the contents at the last update, before this update and, if there is one, after it.
    """
    root = git("rev-parse", "--show-prefix").decode().strip() + path
    blobs = [git("hash-object", "-w", "--stdin", given=side).decode().strip() for side in sides]
    lines = [f"0 {'0' * len(blobs[0])}\t{root}"]  # forgets the version without a conflict
    lines += [f"100644 {blob} {stage}\t{root}" for stage, blob in enumerate(blobs, start=1)]
    git("update-index", "-z", "--index-info", given="\0".join(lines).encode() + b"\0")


def mark_merged(path: str) -> None:
    """Take a conflict back: to git the file is a change that is not added yet."""
    git("reset", "--quiet", "--", path)
