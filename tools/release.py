"""Releases the template: `uv run tools/release.py 1.2.3`.

Checks that it may be released, gives the changes their heading in CHANGELOG.md, commits, records the
commit in tests/releases.toml, commits, and tags. Nothing is pushed. Where something goes wrong, the
repository is as it was.
"""

import argparse
import datetime
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from packaging.version import Version

ROOT = Path(__file__).parents[1]
CHANGELOG = ROOT / "CHANGELOG.md"
RELEASES = ROOT / "tests" / "releases.toml"
MOVES = ROOT / "updates" / "moves.yml"

UNRELEASED = "## [Unreleased]\n"


class NotReadyError(Exception):
    """Why there is no release; the text says what to do."""


def main() -> None:
    """Release the version that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("version", help="such as 1.2.3")
    version = parser.parse_args().version
    try:
        check(version)
    except NotReadyError as error:
        sys.exit(f"{error}")
    start = git("rev-parse", "HEAD")
    try:
        release(version)
    except subprocess.CalledProcessError as error:
        git("reset", "--quiet", "--hard", start)
        sys.exit(f"`git {error.cmd[1]}` failed, see above. Everything is as it was.")
    branch = git("branch", "--show-current")
    print(f"Released {version}. Publish it: git push --atomic origin {branch} v{version}")


def check(version: str) -> None:
    """See whether this version may be released now.

    Raises:
        NotReadyError: it may not.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise NotReadyError(f"{version} is no version: write three numbers, such as 1.2.3.")
    newest = tomllib.loads(RELEASES.read_text())["release"][-1]["version"]
    if Version(version) <= Version(newest):
        raise NotReadyError(f"{newest} has been released: choose a greater version.")
    if git("status", "--porcelain"):
        raise NotReadyError("Some work is not committed (git status): commit it, or put it away.")
    if not git("branch", "--show-current"):
        raise NotReadyError("This is no branch: git switch to the one that releases come from.")
    if git("tag", "--list", f"v{version}"):
        raise NotReadyError(f"There is a tag v{version} already: choose another version.")
    if not changes():
        raise NotReadyError(
            "CHANGELOG.md has nothing under [Unreleased]: say there what changes in a project."
        )
    moved = max(yaml.safe_load(MOVES.read_text()), key=Version)
    if Version(moved) > Version(newest) and moved != version:
        raise NotReadyError(
            f"updates/moves.yml says that files move in {moved}: release that, or write {version} "
            "there and in the migration of copier.yml."
        )


def changes() -> str:
    """What CHANGELOG.md says about the next release."""
    _, _, rest = CHANGELOG.read_text(encoding="utf-8").partition(UNRELEASED)
    return rest.partition("\n## [")[0].strip()


def release(version: str) -> None:
    """Commit the release, record it, and tag it."""
    today = datetime.datetime.now(datetime.UTC).date()
    text = CHANGELOG.read_text(encoding="utf-8")
    heading = f"{UNRELEASED}\n## [{version}] - {today}\n"
    CHANGELOG.write_text(text.replace(UNRELEASED, heading, 1), encoding="utf-8")
    git("commit", "--quiet", "--all", "--message", f"Release {version}")
    commit = git("rev-parse", "HEAD")
    with RELEASES.open("a", encoding="utf-8") as file:
        file.write(f'\n[[release]]\nversion = "{version}"\ncommit = "{commit}"\n')
    git("commit", "--quiet", "--all", "--message", f"Record release {version}")
    git("tag", f"v{version}", commit)


def git(*arguments: str) -> str:
    """What a git command prints; what it complains about goes to the terminal."""
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
