"""The revisions that came before revisions whose files were deleted."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

from alembic.util import CommandError

from alembic_live.commands.drift import differences_from_history
from alembic_live.commands.remove.checks import changed_history
from alembic_live.history.deleted_revisions import DeletedRevision, versions_of
from alembic_live.history.files import RevisionFile, names_in, read_source
from alembic_live.history.locations import folders_of
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.sql.quoting import word
from alembic_live.terminal import ask, is_on_a_terminal, tell

MAX_COMPARED = 16  # how many candidates are compared with the schema


class Predecessors(NamedTuple):
    """What came before deleted revisions, if these versions of their files were applied."""

    before: tuple[str, ...]  # revisions whose files exist; empty is base
    files: tuple[DeletedRevision, ...]  # newest first


def find_predecessors(
    project: Project, deleted: Sequence[str], files: Sequence[RevisionFile], current: Sequence[str]
) -> Predecessors:
    """Follow deleted revisions back to revisions whose files exist. The versions of a file that was
    rebased follow different revisions. Then the schema of the database tells which one was applied.

    Args:
        deleted: the deleted revisions.
        files: the files of the revisions.
        current: the revisions of the database.

    Raises:
        CommandError: git does not have the files, or the schema matches none of the candidates or
            several.
    """
    distinct: dict[frozenset[str], Predecessors] = {}
    for candidate in _combined([_candidates(project, name, tuple(files)) for name in deleted]):
        distinct.setdefault(frozenset(candidate.before), candidate)
    candidates = list(distinct.values())
    if len(candidates) == 1:
        return candidates[0]
    tell(f"In git, {deleted[0]} follows different revisions. Comparing the schema with each …")
    fitting = [
        candidate
        for candidate in candidates[:MAX_COMPARED]
        if _matches_schema(project, candidate, current)
    ]
    if len(fitting) == 1 and len(candidates) <= MAX_COMPARED:
        return fitting[0]
    listed = "\n".join(
        f"  {', '.join(candidate.before) or 'base'}: {candidate.files[0].restore}"
        for candidate in candidates[:MAX_COMPARED]
    )
    raise CommandError(
        f"In git, {deleted[0]} follows different revisions, and the schema does not tell which one it "
        f"followed in this database:\n{listed}\nName the right one: uv run db remove {deleted[0]} "
        "--to <revision>"
    )


def find_revision(name: str, files: Sequence[RevisionFile]) -> str:
    """The revision with an id or a partial id; empty for base.

    Raises:
        CommandError: no file has it, or several have.
    """
    if name == "base":
        return ""
    found = [file.revision for file in files if name and file.revision.startswith(name)]
    exact = [revision for revision in found if revision == name] or found
    if len(exact) != 1:
        raise CommandError(
            f"--to {name}: {'several revisions begin with it' if found else 'no file has that revision'}. "
            "`uv run alembic history` lists the revisions."
        )
    return exact[0]


def require_not_squashed(name: str, files: Sequence[RevisionFile]) -> None:
    """
    Raises:
        CommandError: it was squashed into another revision.
    """
    for file in files:
        if name in names_in(read_source(file.path), "replaces"):
            raise CommandError(
                f"{name} was squashed into {file.revision}, so it is not lost. Upgrade the database to "
                f"{file.revision} with the version of the code from before the squash."
            )


def _candidates(
    project: Project,
    name: str,
    files: tuple[RevisionFile, ...],
    passed: frozenset[str] = frozenset(),
) -> list[Predecessors]:
    """The candidates for one revision. A path that runs in a cycle has none."""
    if name in {file.revision for file in files}:
        return [Predecessors((name,), ())]
    if name in passed:
        return []
    require_not_squashed(name, files)
    versions = versions_of(project, name)
    if not versions:
        return [Predecessors(tuple(filter(None, [_ask(name, files)])), ())]
    passed |= {name}
    return [
        candidate._replace(files=(version, *candidate.files))
        for version in versions
        for candidate in _combined(
            [_candidates(project, one, files, passed) for one in version.follows]
        )
    ]


def _combined(parts: Sequence[Sequence[Predecessors]]) -> Iterator[Predecessors]:
    """Every combination of one candidate of each part."""
    for candidates in product(*parts):
        yield Predecessors(
            tuple(dict.fromkeys(name for candidate in candidates for name in candidate.before)),
            tuple(file for candidate in candidates for file in candidate.files),
        )


def _matches_schema(project: Project, candidate: Predecessors, current: Sequence[str]) -> bool:
    """Whether the database has the schema that the history creates with these versions."""
    folder = folders_of(project.script)[0]
    written = {
        folder / f"lost_{number}.py": file.source for number, file in enumerate(candidate.files)
    }
    with changed_history(project, written) as copies:
        try:
            address = project.migration_address
            return not differences_from_history(
                project, address, *current, name="git", versions=[*copies.values()]
            )
        except CommandError:
            return False


@cache
def _ask(name: str, files: tuple[RevisionFile, ...]) -> str:
    unknown = f"git has no file of {one_line(name)}, so the revision before it is unknown."
    if not is_on_a_terminal():
        raise CommandError(
            f"{unknown} Name it: uv run db remove {word(name)} --to <revision>. `uv run alembic "
            "history` lists the revisions; base means none. Or restore the file from a backup."
        )
    return find_revision(ask(f"{unknown} Which one?"), files)
