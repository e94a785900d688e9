"""What a release may do to the questions of earlier ones, so that no old project changes by itself:
the rules of docs/reference/policy.md.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from answers import ANSWERS
from releases import WORKING_TREE, Releases, Updatable

# The edges of what the questions take.
EDGES = ("any script", "quotes and braces", "as long as can be")


def broken_rules(
    releases: Releases,
    old: str,
    new: str = WORKING_TREE,
    *,
    notes: str,
    answered: Sequence[str] = EDGES,
) -> Iterator[str]:
    """A sentence for each rule of the policy that a version breaks towards an earlier one.

    Args:
        releases: that have both.
        old: the earlier one.
        new: the other.
        notes: the release notes, which are to name new questions.
        answered: which sets of answers to try.
    """
    before, after = (questions(releases.configuration(version)) for version in (old, new))
    for name in before.keys() - after.keys():
        if not any(mentions(question.get("default"), name) for question in after.values()):
            yield f"{name} is gone, and no other question's default takes its answer over"
    for name in before.keys() & after.keys():
        for choice in choices(before[name]):
            if choice not in choices(after[name]):
                yield f"{name} no longer takes {choice}"
    added = after.keys() - before.keys()
    for name in added:
        if "default" not in after[name]:
            yield f"{name} has no default, so an update without questions fails"
        if f"`{name}`" not in notes:
            yield f"{name} is new, and CHANGELOG.md does not name it"
    if any("default" not in after[name] for name in added):
        return
    for label in answered:
        yield from changed_answers(releases, old, new, label, ANSWERS[label])
    for name in added:
        yield from changed_by_default(releases, old, new, name, after[name])


def questions(configuration: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The questions that somebody is asked."""
    return {
        name: question
        for name, question in configuration.items()
        if name[0] != "_" and isinstance(question, dict) and question.get("when") is not False
    }


def choices(question: dict[str, Any]) -> list[Any]:
    """The answers that a question offers, without what it calls them."""
    offered = question.get("choices", [])
    return list(offered.values() if isinstance(offered, dict) else offered)


def mentions(default: object, name: str) -> bool:
    """Whether a default is taken from another question."""
    return re.search(rf"\b{name}\b", str(default)) is not None


def changed_answers(
    releases: Releases, old: str, new: str, label: str, answers: dict[str, Any]
) -> Iterator[str]:
    """Answers that were taken, and now are not or become others."""
    given = answers_of(releases.made(old, **answers))
    try:
        kept = answers_of(releases.made(new, **given))
    except ValueError as error:
        yield f"{label}: {error}"
        return
    for name, answer in given.items():
        if name in kept and kept[name] != answer:
            yield f"{label}: {name} was {answer!r} and becomes {kept[name]!r}"


def changed_by_default(
    releases: Releases, old: str, new: str, name: str, question: dict[str, Any]
) -> Iterator[str]:
    """What a new question's default brings that the version before had not, or takes away. A line
    that comes with one answer only is the question's doing; others are the release's.
    """
    was, given = lines(releases.made(old)), answers_of(releases.made(old))
    by_default = releases.made(new, **given)
    default = by_default.answers[name]
    others = choices(question) or ([not default] if isinstance(default, bool) else [f"{default}x"])
    for other in others:
        if other == default:
            continue
        instead = lines(releases.made(new, **given, **{name: other}))
        if instead - lines(by_default) - was:
            continue  # no answer is what was rendered before
        for line in lines(by_default) - instead - was:
            yield f"{name}: its default adds {line[1].strip()!r} to {line[0]}"
        for line in (instead - lines(by_default)) & was:
            yield f"{name}: its default takes {line[1].strip()!r} from {line[0]}"


def answers_of(project: Updatable) -> dict[str, Any]:
    """What was answered, without what Copier adds."""
    return {name: answer for name, answer in project.answers.items() if name[0] != "_"}


def lines(project: Updatable) -> set[tuple[str, str]]:
    """Every line of every file but of the answers, with the file's path."""
    return {
        (path, line)
        for teams in (False, True)
        for path, content in project.files(teams=teams).items()
        if path != ".copier-answers.yml"
        for line in content.decode().splitlines()
    }
