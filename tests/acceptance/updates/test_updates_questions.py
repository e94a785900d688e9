"""Questions and answers: no release changes an old project by itself. See docs/reference/policy.md
and tests/policy.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from campaigns import campaign
from policy import broken_rules
from project import ROOT
from releases import OLDEST, RELEASES, WORKING_TREE, Releases

LATER = "999.1.0"

FEW = ("as long as can be",)

# What a release does to copier.yml and the files of the template.
Change = Callable[[dict[str, Any], Path], None]

POOLER = "# DB_POOLER=transaction\n"


@campaign("version", [*RELEASES], keep=[OLDEST])
def test_answers_of_every_release_are_what_they_were(releases: Releases, version: str) -> None:
    notes = (ROOT / "CHANGELOG.md").read_text()
    assert list(broken_rules(releases, version, notes=notes)) == []


def changed(releases: Releases, folder: Path, change: Change) -> Releases:
    """A later release of the template, with other questions."""
    fork = releases.fork(folder)
    path = fork.repository / "copier.yml"
    configuration = yaml.safe_load(path.read_text())
    change(configuration, fork.repository / "template")
    path.write_text(yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True))
    fork.release(LATER)
    return fork


def without_a_choice(configuration: dict[str, Any], _: Path) -> None:
    del configuration["license"]["choices"]["BSD 3-Clause"]


def without_a_question(configuration: dict[str, Any], _: Path) -> None:
    del configuration["author_email"]
    configuration["_exclude"].append("pyproject.toml")  # which asks for it


def with_a_tighter_validator(configuration: dict[str, Any], _: Path) -> None:
    too_long = "{% if project_name | length > 50 %}Write at most 50{% endif %}"
    configuration["project_name"]["validator"] = too_long


def with_a_question(replaced: str = POOLER, by: str = POOLER, **keys: Any) -> Change:
    """One more, `audit`, and what it makes of a line of .env.example."""

    def change(configuration: dict[str, Any], template: Path) -> None:
        configuration["audit"] = {"type": "bool", "help": "Audit tables?", **keys}
        example = template / ".env.example.jinja"
        example.write_text(example.read_text().replace(replaced, by))

    return change


AUDIT = f"{POOLER}{{% if audit %}}\nAUDIT=1\n{{% endif %}}\n"
NO_POOLER = f"{{% if audit %}}\n{POOLER}{{% endif %}}\n"


def with_another_name(default: str) -> Change:
    """`author_email` is called `contact`."""

    def change(configuration: dict[str, Any], template: Path) -> None:
        configuration["contact"] = {"type": "str", "help": "Whom to ask.", "default": default}
        del configuration["author_email"]
        for file in template.rglob("*.jinja"):
            file.write_text(file.read_text().replace("author_email", "contact"))

    return change


BROKEN = {
    "a choice is removed": (without_a_choice, "license no longer takes BSD-3-Clause"),
    "a question is removed": (without_a_question, "author_email is gone"),
    "a question is renamed": (with_another_name(""), "author_email is gone"),
    "a validator is tightened": (with_a_tighter_validator, "Write at most 50"),
    "a question has no default": (with_a_question(), "audit has no default"),
    "a default adds something": (
        with_a_question(by=AUDIT, default=True),
        "audit: its default adds 'AUDIT=1' to .env.example",
    ),
    "a default takes something": (
        with_a_question(by=NO_POOLER, default=False),
        "audit: its default takes '# DB_POOLER=transaction' from .env.example",
    ),
    "the notes are silent": (with_a_question(default=False), "CHANGELOG.md does not name it"),
}


@campaign(
    ("change", "sentence"),
    BROKEN,
    keep=["a choice is removed"],
)
def test_a_broken_rule_is_named(
    releases: Releases, tmp_path: Path, change: Change, sentence: str
) -> None:
    fork = changed(releases, tmp_path, change)
    broken = list(broken_rules(fork, WORKING_TREE, LATER, notes="", answered=FEW))
    assert any(sentence in rule for rule in broken), broken


@pytest.mark.full
def test_a_question_whose_default_renders_what_was_rendered_keeps_the_rules(
    releases: Releases, tmp_path: Path
) -> None:
    fork = changed(releases, tmp_path, with_a_question(by=AUDIT, default=False))
    assert list(broken_rules(fork, WORKING_TREE, LATER, notes="`audit`", answered=FEW)) == []


@pytest.mark.full
def test_another_default_changes_no_project_that_answered(
    releases: Releases, tmp_path: Path
) -> None:
    def change(configuration: dict[str, Any], _: Path) -> None:
        configuration["python_version"]["default"] = "3.14"
        configuration["project_slug"]["default"] = "another"

    fork = changed(releases, tmp_path, change)
    project = fork.made()
    project.update(LATER)
    assert project.git("diff", "--name-only").split() == [".copier-answers.yml"]
    assert project.answers["python_version"] == "3.11"


@pytest.mark.full
def test_a_renamed_question_takes_the_answer_over(releases: Releases, tmp_path: Path) -> None:
    default = "{{ author_email if author_email is defined else '' }}"
    fork = changed(releases, tmp_path, with_another_name(default))
    assert list(broken_rules(fork, WORKING_TREE, LATER, notes="`contact`", answered=FEW)) == []
    project = fork.made(author_email="ada@example.com")
    before = project.files()
    project.update(LATER)
    assert project.answers["contact"] == "ada@example.com"
    assert {path for path in before if before[path] != project.files()[path]} == {
        ".copier-answers.yml"
    }
