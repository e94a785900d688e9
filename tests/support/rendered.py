"""Projects as Copier renders them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from project import Project
from pytest_copie.plugin import Copie

Render = Callable[..., Project]


def copied(copie: Copie, template: Path, **answers: Any) -> Project:
    """What Copier makes of a template with these answers and the defaults."""
    result = copie.copy(extra_answers=answers, template_dir=template)
    assert result.exception is None, result.exception
    assert result.project_dir is not None
    assert result.answers.items() >= answers.items()  # no answer has a typo
    return Project(result.project_dir, result.answers["package_name"])
