"""Revisions whose file is gone, as far as git has it, or Python has compiled it."""

import dis
import marshal
import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any, NamedTuple

from ..paths import PROJECT_ROOT, relative
from .git import look, main_branch
from .quoting import word
from .revision_files import VERSIONS, UnreadableRevisionError, names_in, parse_revision


class LostRevision(NamedTuple):
    """One of them, in one version of its file."""

    revision: str
    path: Path
    follows: tuple[str, ...]  # also those that it depends on
    source: str  # empty where only what Python has compiled is there
    restore: str  # the git command that brings the file back


def find_lost_revision(revision: str) -> LostRevision | None:
    """The file as git has it in the index, else in the newest commit behind the one that is checked
    out, else in any other commit. Without one in git, what Python has compiled of it.
    """
    return next(iter(versions_of(revision)), None)


def versions_of(revision: str) -> list[LostRevision]:
    """One for each set of revisions that the file has followed, in the order of
    `find_lost_revision`. A rebase lets the file follow another revision.
    """
    found = list(_in_git(revision)) or list(_in_compiled_files(revision))
    newest: dict[tuple[str, ...], LostRevision] = {}
    for version in found:
        newest.setdefault(version.follows, version)
    return list(newest.values())


def file_on_the_main_branch(revision: str) -> tuple[str, str] | None:
    """The main branch, and the file that a revision has there."""
    main = main_branch()
    for name in _files_with(revision, main) if main else ():
        name = name.removeprefix(f"{main}:")
        if _parsed(revision, name, look("show", f"{main}:./{name}")):
            return str(main), name
    return None


def _in_git(revision: str) -> Iterator[LostRevision]:
    for name in _files_with(revision, "--cached"):
        if found := _parsed(revision, name, look("show", f":./{name}")):
            yield found._replace(restore=f"git checkout -- {word(name)}")
    for which in ((), ("--all", "--reflog")):
        for name in _log("--format=", "--name-only", "--relative", "-z", f"-S{revision}", *which):
            for commit in _log("--format=%H%x00", "--diff-filter=AM", *which, path=name):
                if found := _parsed(revision, name, look("show", f"{commit}:./{name}")):
                    yield found._replace(restore=f"git checkout {commit[:12]} -- {word(name)}")


def _log(*options: str, path: str = relative(VERSIONS)) -> list[str]:
    """What `git log` prints about a path, newest first and each thing once.

    A merge may hold what none of its parents has: it often includes a rebase of revisions. Git
    shows the changes of a merge with `-m` only, and a setting may limit that to one parent.
    """
    listed = look(
        *("--literal-pathspecs", "-c", "log.diffMerges=separate", "-c", "log.showSignature=false"),
        *("log", "-m", "--full-history", "--topo-order", "--no-renames", "--no-color"),
        *options,
        "--",
        path,
    )
    return list(dict.fromkeys(filter(None, listed.replace("\n", "").split("\0"))))


def _files_with(revision: str, where: str) -> list[str]:
    """Files of the index, or of a branch, that the id is in."""
    listed = look(
        "grep", "--no-color", "-lzF", "-e", revision, where, "--", relative(VERSIONS)
    )  # fmt: skip
    return [name for name in listed.split("\0") if name]


def _parsed(revision: str, name: str, source: str) -> LostRevision | None:
    path = PROJECT_ROOT / name
    try:
        file = parse_revision(source, path)
    except UnreadableRevisionError:
        return None
    if file.revision != revision:
        return None
    return LostRevision(
        revision, path, file.follows + names_in(source, "depends_on"), source, restore=""
    )


def _in_compiled_files(revision: str) -> Iterator[LostRevision]:
    tag = f".{sys.implementation.cache_tag}.pyc"
    for compiled in (VERSIONS / "__pycache__").glob(f"*{tag}"):
        path = VERSIONS / f"{compiled.name.removesuffix(tag)}.py"
        content = compiled.read_bytes()
        if not path.exists() and content.startswith(MAGIC_NUMBER) and revision.encode() in content:
            values = _assigned(content[16:])
            if values.get("revision") == revision:
                names = (values.get("down_revision"), values.get("depends_on"))
                follows = (*_each(names[0]), *_each(names[1]))
                yield LostRevision(revision, path, follows, source="", restore="")


def _assigned(code: bytes) -> dict[str, Any]:
    """The constants that a compiled module gives names to, without running it."""
    values: dict[str, Any] = {}
    last = None
    for instruction in dis.get_instructions(marshal.loads(code)):
        if instruction.opname == "STORE_NAME":
            values[instruction.argval] = last
        last = instruction.argval if instruction.opname == "LOAD_CONST" else None
    return values


def _each(names: Any) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())
