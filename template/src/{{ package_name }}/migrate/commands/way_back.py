"""Which revisions came before those whose files are gone."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

from alembic.util import CommandError

from ...config import settings
from ..lost_revisions import LostRevision, versions_of
from ..revision_files import RevisionFile, names_in
from ..terminal import ask, is_on_a_terminal, tell
from .drift import differences_to_history
from .rehearsal import changed_history

MANY = 16  # ways back that are compared with the schema


class WayBack(NamedTuple):
    """What came before a revision, if these versions of the files that are gone were applied."""

    before: tuple[str, ...]  # revisions that have files; none is base
    files: tuple[LostRevision, ...]  # newest first


def way_back(gone: Sequence[str], files: Sequence[RevisionFile], current: Sequence[str]) -> WayBack:
    """Follow revisions that no file has back to those that have one. A file that was rebased has
    followed different revisions. Then the schema of the database says which version was applied.

    Args:
        gone: the revisions.
        files: those that there are.
        current: the revisions that the database is at.

    Raises:
        CommandError: git does not know what came before, or the schema does not tell.
    """
    distinct: dict[frozenset[str], WayBack] = {}
    for way in _joined([_ways(name, tuple(files)) for name in gone]):
        distinct.setdefault(frozenset(way.before), way)
    ways = list(distinct.values())
    if len(ways) == 1:
        return ways[0]
    tell(f"git has {gone[0]} behind different revisions. Comparing the schema with each …")
    fitting = [way for way in ways[:MANY] if _fits(way, current)]
    if len(fitting) == 1 and len(ways) <= MANY:
        return fitting[0]
    listed = "\n".join(
        f"  {', '.join(way.before) or 'base'}: {way.files[0].restore}" for way in ways[:MANY]
    )
    raise CommandError(
        f"git has {gone[0]} behind different revisions, and the schema does not tell which of them "
        f"was before it in this database:\n{listed}\nName the right one: uv run db remove {gone[0]} "
        "--to <revision>"
    )


def named_revision(name: str, files: Sequence[RevisionFile]) -> str:
    """A revision by the beginning of its id; empty for base.

    Raises:
        CommandError: no file has it, or several have.
    """
    if name == "base":
        return ""
    found = [file.revision for file in files if name and file.revision.startswith(name)]
    exact = [revision for revision in found if revision == name] or found
    if len(exact) != 1:
        raise CommandError(
            f"--to {name}: {'several revisions begin so' if found else 'no file has that revision'}. "
            "`uv run alembic history` lists them."
        )
    return exact[0]


def require_not_squashed(name: str, files: Sequence[RevisionFile]) -> None:
    """
    Raises:
        CommandError: another revision stands in its place.
    """
    for file in files:
        if name in names_in(file.path.read_text(encoding="utf-8"), "replaces"):
            raise CommandError(
                f"{name} was squashed into {file.revision}, so it is not lost. Bring the database there "
                "with the version of the code from before the squash."
            )


def _ways(
    name: str, files: tuple[RevisionFile, ...], passed: frozenset[str] = frozenset()
) -> list[WayBack]:
    """All ways from one revision; none where it comes back to a revision that it has passed."""
    if name in {file.revision for file in files}:
        return [WayBack((name,), ())]
    if name in passed:
        return []
    require_not_squashed(name, files)
    versions = versions_of(name)
    if not versions:
        return [WayBack(tuple(filter(None, [_asked(name, files)])), ())]
    passed |= {name}
    return [
        way._replace(files=(version, *way.files))
        for version in versions
        for way in _joined([_ways(one, files, passed) for one in version.follows])
    ]


def _joined(parts: Sequence[Sequence[WayBack]]) -> Iterator[WayBack]:
    """One way of each part, in every combination."""
    for ways in product(*parts):
        yield WayBack(
            tuple(dict.fromkeys(name for way in ways for name in way.before)),
            tuple(file for way in ways for file in way.files),
        )


def _fits(way: WayBack, current: Sequence[str]) -> bool:
    """Whether the schema is what the history makes with these versions in it."""
    if not all(file.source for file in way.files):
        return False
    written = {f"lost_{number}.py": file.source for number, file in enumerate(way.files)}
    with changed_history(written) as folder:
        try:
            address = settings.migration_address
            return not differences_to_history(address, *current, name="git", versions=folder)
        except CommandError:
            return False


@cache
def _asked(name: str, files: tuple[RevisionFile, ...]) -> str:
    unknown = f"Neither git nor a compiled file says which revision {name} followed."
    if not is_on_a_terminal():
        raise CommandError(
            f"{unknown} Name it: uv run db remove {name} --to <revision>. `uv run alembic history` "
            "lists them; base is before the first."
        )
    return named_revision(ask(f"{unknown} Which one?"), files)
