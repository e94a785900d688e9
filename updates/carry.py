"""Carries a team's changes through an update that moves files (`_migrations` in copier.yml).

Copier runs it in the project's folder after it has merged. The version before is rendered once more,
and what the team had changed in it goes to where moves.yml says, or stays as a conflict in git. For
what the team's files import from places that are gone, modules are written. The rest is listed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from copier import run_copy
from git import committed_files, content, git, is_ignored, rejected, tracked, unmerged
from kept_files import KeptFiles
from modules import Modules
from moved_files import MovedFiles, moves_of
from old_names import OldNames, Reference
from plumbum import local
from reexports import Reexports
from uses import changed_uses, lost_fixtures, mentions, programs, unknown_names

LIBRARY = "packages/alembic-live"
SOURCES = Path(__file__).resolve().parents[1] / "template" / LIBRARY / "src"

# What tells git to leave the ends of lines alone.
LF = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "core.autocrlf",
    "GIT_CONFIG_VALUE_0": "false",
}

# A sentence, and the places that it is about.
Note = tuple[str, Iterable[str]]

SUMMARY = """
2.0.0 moves the machinery out of your package, so that your package has your code only.
What was in src/{package}/migrate/ and in the modules beside it is the library alembic-live now.
{where}

- Revisions, the commands `alembic` and `db`, and the DB_* settings work as before.
- config.py, database/, migrations/env.py and the tests import alembic_live and are short.
- `db` comes with the library: pyproject.toml no longer has a script for it.
- README.md is yours, so it still describes the old files."""
VENDORED = (
    "It is in packages/alembic-live/. Commit it; the template maintains it, so it needs no review."
)
NOT_VENDORED = "pyproject.toml depends on it and says how to choose where it comes from."


def main(answers_file: str) -> None:
    """Carry along what the update that has just been made would lose, and say so."""
    answers = yaml.safe_load(git("show", f"HEAD:./{Path(answers_file).as_posix()}"))
    package = answers["package_name"]
    with TemporaryDirectory() as folder:
        render(answers, answers_file, Path(folder))
        notes = carry(Path(folder), package)
    where = VENDORED if Path(LIBRARY).is_dir() else NOT_VENDORED
    print(SUMMARY.format(package=package, where=where), file=sys.stderr)
    for sentence, places in notes:
        if lines := [*places]:
            print(f"\n{sentence}", *lines, sep="\n  ", file=sys.stderr)


def render(answers: dict[str, Any], answers_file: str, to: Path) -> None:
    """Render the version that the project was at, with the answers of that time.

    Its lines end in LF, as they do in the team's commits: with `core.autocrlf`, the clone of the
    template and so the render would have CRLF.
    """
    with local.env(**LF):
        run_copy(
            answers["_src_path"],
            to,
            answers_file=answers_file,
            data={name: answer for name, answer in answers.items() if name[0] != "_"},
            vcs_ref=answers["_commit"],
            defaults=True,
            quiet=True,
        )


def carry(before: Path, package: str) -> list[Note]:
    """Carry everything along.

    Args:
        before: the project as the version before renders it.
        package: of the service.

    Returns:
        What a person has to know.
    """
    moves, sources = moves_of(package), [Path(LIBRARY, "src"), SOURCES]
    with TemporaryDirectory() as folder:
        team = Path(folder)
        committed_files(team)
        moved = MovedFiles(before, team, OldNames(package, team, sources, moves))
        moved.carry()
        kept = KeptFiles(before, team, OldNames(package, team, sources, moves))
        kept.settle(moved.conflicts)
        names = OldNames(package, team, sources, moves)
        return [*_about_files(moved, kept), *_about_imports(names, before, team, unmerged())]


def _about_files(moved: MovedFiles, kept: KeptFiles) -> Iterator[Note]:
    yield (
        "Your changes have moved along with the template's files:",
        _pairs(moved.carried),
    )
    yield (
        "What you had added to these is still there; the template's part of them is in the library:",
        moved.own,
    )
    yield (
        "Both sides had changed these, and your changes were put into the new version. Look at them:",
        kept.joined,
    )
    yield (
        "You had deleted these; they stay deleted under their new names:",
        [f"{path}, as {old} was" for path, old in moved.deleted.items()],
    )
    yield (
        "You had deleted these names; the new version has them again:",
        [f"{path}: {', '.join(names)}" for path, names in kept.back.items()],
    )
    yield (
        "The template has moved these, and changed what you had changed. Settle it in:",
        _pairs(moved.conflicts),
    )
    yield (
        "The template no longer has these, and you had changed them, so they are still there. Put your "
        "changes where they belong and `git rm` the file, or keep it with `git add`:",
        [f"{path}, now in {to}" if to else path for path, to in moved.kept.items()],
    )
    yield (
        "Lines of yours that did not fit are in these. Without `--conflict rej`, more of them fit. Put them "
        "into the file of that name, and delete the *.rej:",
        rejected(),
    )
    yield (
        "After your changes, these files of the library use what it does not have:",
        [
            place
            for path in moved.carried
            if path.startswith(LIBRARY)
            for place in unknown_names(path, Path(path).read_text("utf-8"))
        ],
    )


def _pairs(files: dict[str, str]) -> list[str]:
    return [f"{path}, from {old}" for path, old in files.items()]


def _about_imports(
    names: OldNames, before: Path, team: Path, conflicts: list[str]
) -> Iterator[Note]:
    paths = [path for path in tracked() if not path.startswith("packages/")]
    paths = [path for path in paths if path not in conflicts and not path.endswith(".lock")]
    texts, unreadable = _python(paths)
    found = {path: names.references(path, text) for path, text in texts.items()}
    found |= {path: _added(names, before, team, path) for path in conflicts if path.endswith(".py")}
    reexports = Reexports(names)
    run = [each for path in paths if path not in texts for each in programs(names, path)]
    reexports.write([*run, *(each for references in found.values() for each in references)])
    yield (
        "Revisions or modules of yours import names by their old places. These files give them:",
        [f"{path}, for {_few(users)}" for path, users in reexports.written.items()],
    )
    yield ("These imports have nothing to lead to any more:", reexports.missing)
    yield (
        "These work in another way:",
        [
            use
            for path, text in texts.items()
            for use in changed_uses(names, path, text, found[path])
        ],
    )
    yield (
        "These fixtures are gone; `server`, `database`, `empty_database` and `copied_database` are in "
        "alembic-live's pytest plugin:",
        lost_fixtures(before, Modules(SOURCES), texts),
    )
    yield (
        "These name what is gone:",
        dict.fromkeys(str(each) for path in paths for each in mentions(names, before, path)),
    )
    yield ("These cannot be read as Python, so nothing in them was looked at:", unreadable)
    if is_ignored(f"{LIBRARY}/pyproject.toml"):
        yield "Your .gitignore hides the library. Let git have it:", [f"{LIBRARY}/"]


def _python(paths: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """The texts of Python files, and the paths of those that are none."""
    texts, unreadable = {}, []
    for path in paths:
        if path.endswith(".py"):
            try:
                text = Path(path).read_text("utf-8")
                ast.parse(text)
                texts[path] = text
            except (SyntaxError, ValueError):
                unreadable.append(path)
    return texts, unreadable


def _added(names: OldNames, before: Path, team: Path, path: str) -> list[Reference]:
    """What the team had added to the imports of a file that has a conflict now."""
    try:
        was, theirs = (
            names.references(path, (content(side / path) or b"").decode())
            for side in (before, team)
        )
        known = {(each.module, each.name) for each in was}
    except (SyntaxError, ValueError):
        return []
    return [each for each in theirs if (each.module, each.name) not in known]


def _few(paths: list[str]) -> str:
    first, *others = paths
    return f"{first} and {len(others)} more" if others else first


if __name__ == "__main__":
    main(sys.argv[1])
