"""The heads of a history: branches that have diverged, and branches that are kept apart."""

from collections.abc import Iterable, Mapping

from alembic.script import ScriptDirectory

from alembic_live.alembic_ini import SECTION
from alembic_live.history.graph import names_of


def diverged_heads(script: ScriptDirectory) -> list[list[str]]:
    """Groups of heads that follow a common revision and have the same branch labels. Such heads usually come from a merge in git."""
    if len(script.get_heads()) < 2:
        return []
    follows = {
        one.revision: names_of(one.down_revision) for one in script.walk_revisions("base", "heads")
    }
    groups: list[tuple[frozenset[str], set[str], list[str]]] = []
    for head in script.get_heads():
        labels = frozenset(script.get_revision(head).branch_labels)
        history = _history(follows, head)
        related = [group for group in groups if group[0] == labels and group[1] & history]
        groups = [group for group in groups if group not in related]
        heads = [each for group in related for each in group[2]]
        groups.append((labels, history.union(*(group[1] for group in related)), [*heads, head]))
    return [heads for _, _, heads in groups if len(heads) > 1]


def effective_heads(script: ScriptDirectory) -> set[str]:
    """The revisions of a database that has everything applied. A head that another branch depends on
    is not among them.
    """
    return set(script.get_heads(consider_depends_on=True))


def newest(script: ScriptDirectory) -> str:
    """What to name in `alembic upgrade` to apply everything."""
    return "heads" if len(script.get_heads()) > 1 else "head"


def problem_with_heads(script: ScriptDirectory, target: str) -> str | None:
    """A sentence if `db migrate` fails because of several heads, or if heads have diverged.

    Args:
        script: the history.
        target: what `db migrate` upgrades to.
    """
    if diverged := diverged_heads(script):
        return (
            f"Revisions {' and '.join(diverged[0])} are heads of branches that have diverged, so "
            f"`upgrade head` fails. {how_to_join(diverged[0])}"
        )
    if len(script.get_heads()) > 1 and target != "heads":
        return (
            f"The history has several heads, {', '.join(script.get_heads())}, so `upgrade head` and "
            f"`db migrate` fail. {advice_on(script)}"
        )
    return None


def how_to_join(heads: Iterable[str]) -> str:
    """What to do about heads that have diverged."""
    return (
        "Move yours after the others: uv run db rebase. Or join them: uv run alembic merge "
        f"{' '.join(heads)}"
    )


def how_to_apply(script: ScriptDirectory) -> str:
    """What to do about several heads that are kept apart."""
    one = _named(script)
    return (
        f"To apply all of them: uv run alembic upgrade heads. To apply one: uv run alembic upgrade "
        f"{one}. For `db migrate`, set `target = heads` in [{SECTION}] of alembic.ini"
    )


def advice_on(script: ScriptDirectory, command: str | None = "upgrade") -> str:
    """What to do about several heads, for a command that needs one.

    Args:
        script: the history.
        command: the name of Alembic's command, if it is known.
    """
    if diverged := diverged_heads(script):
        return how_to_join(diverged[0])
    apart = "They are branches that stay apart."
    if command == "upgrade":
        return f"{apart} {how_to_apply(script)}"
    if command == "revision":
        return f"{apart} Name the one to follow: --head {_named(script)}"
    return f"{apart} Name one of them, such as {_named(script)}"


def explain_ambiguity(script: ScriptDirectory, current: Iterable[str], *, is_upgrade: bool) -> str:
    """Explain that a relative target, such as `-1`, has several meanings, and what to type.

    Args:
        script: the history.
        current: the revisions of the database.
        is_upgrade: whether the command is an upgrade.
    """
    at = sorted(current)
    command = f"uv run alembic {'upgrade' if is_upgrade else 'downgrade'}"
    if len(at) == 1 and (found := _fork(script, at[0], is_upgrade=is_upgrade)):
        revision, ways = found
        what = "is followed by" if is_upgrade else "joins"
        return (
            f"{revision} {what} {' and '.join(ways)}, so a relative target is ambiguous. Name the "
            f"revision: {command} {ways[0]}"
        )
    if len(at) > 1:
        examples = f", or: {command} ".join(f"{each}@{'+' if is_upgrade else '-'}1" for each in at)
        return (
            f"The database is at {', '.join(at)}, so a relative target is ambiguous. Name the "
            f"branch: {command} {examples}"
        )
    return (
        f"The target does not name one revision. The database is at {', '.join(at) or 'base'}. "
        "`uv run alembic history` lists the revisions to name."
    )


def _fork(
    script: ScriptDirectory, revision: str, *, is_upgrade: bool
) -> tuple[str, list[str]] | None:
    """The nearest revision on the way from which there are several ways, and these."""
    while True:
        one = script.get_revision(revision)
        ways = sorted(one.nextrev) if is_upgrade else [*names_of(one.down_revision)]
        if len(ways) != 1:
            return (revision, ways) if ways else None
        [revision] = ways


def _named(script: ScriptDirectory) -> str:
    """An example of a target that names one of the heads."""
    heads = script.get_heads()
    for head in heads:
        for label in sorted(script.get_revision(head).branch_labels):
            return f"{label}@head"
    return heads[0]


def _history(follows: Mapping[str, tuple[str, ...]], head: str) -> set[str]:
    found, waiting = set(), [head]
    while waiting:
        revision = waiting.pop()
        if revision not in found:
            found.add(revision)
            waiting += follows[revision]
    return found
