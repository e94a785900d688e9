"""What is rendered is clean, for every set of answers: files, lint, format and types."""

import configparser
import re
import sys
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from answers import ANSWERS
from campaigns import campaign
from dotenv import dotenv_values
from project import Project, run
from rendered import Render
from shared import made_once

KEPT = ["defaults", "own schema, no example", "quotes and braces", "Python 3.14"]
every_set_of_answers = campaign("answers", ANSWERS, keep=KEPT)


@every_set_of_answers
def test_files_are_tidy_and_parse(rendered: Render, answers: dict[str, Any]) -> None:
    project = rendered(**answers)
    for path in files(project):
        name, text = path.relative_to(project.path).as_posix(), path.read_text(encoding="utf-8")
        assert not re.search(r"\{\{|\}\}|\{%|%\}", name), f"{name} is not rendered"
        if not text:
            assert path.name in ("__init__.py", "py.typed"), f"{name} is empty"
            continue
        assert text.endswith("\n"), f"{name} has no last line break"
        assert not text.endswith("\n\n"), f"{name} ends with an empty line"
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), f"{name} has trailing white space"
        for answer in answers.values():
            text = text.replace(str(answer), "")  # may hold what looks like Jinja
        if path.name not in ("README.md", ".copier-answers.yml", ".env.example", "pyproject.toml"):
            assert not re.search(r"(?<!\$)\{\{ |\{% |\{# ", text), f"Jinja is left in {name}"
        parse(path)


@every_set_of_answers
def test_answers_arrive_as_they_were_given(rendered: Render, answers: dict[str, Any]) -> None:
    path = rendered(**answers).path
    kept = yaml.safe_load((path / ".copier-answers.yml").read_text())
    assert kept.items() >= answers.items()
    metadata = tomllib.loads((path / "pyproject.toml").read_text())["project"]
    assert metadata["description"] == " ".join(kept["project_description"].split())
    assert metadata["authors"][0]["name"] == kept["author_name"]
    readme = (path / "README.md").read_text()
    assert kept["project_name"] in readme
    assert kept["project_description"] in readme
    assert kept["author_name"] in (path / "LICENSE").read_text()
    example = dotenv_values(path / ".env.example")
    assert example["DB_NAME"] == kept["database_name"]


def test_docker_and_a_shell_read_the_example_alike(rendered: Render) -> None:
    path = rendered().path / ".env.example"
    expected = dotenv_values(path)
    lines = path.read_text().splitlines()
    assigned = [line for line in lines if line and not line.startswith("#")]
    assert dict(line.split("=", 1) for line in assigned) == expected  # as `--env-file` does
    shown = run("sh", "-c", f'set -a; . "{path}"; env -0', cwd=path.parent, environment={}).stdout
    assert (
        expected.items() <= dict(line.split("=", 1) for line in shown.split("\0") if line).items()
    )


@campaign(
    "answers",
    ANSWERS,
    keep=["defaults", "no web", "own schema, no example", "as long as can be"],
)
def test_lint_format_and_types_are_clean(
    rendered: Render, mypy_cache: Path, answers: dict[str, Any]
) -> None:
    path = rendered(**answers).path
    python = answers.get("python_version", "3.11")
    run(sys.executable, "-m", "ruff", "check", "--no-cache", cwd=path)
    run(sys.executable, "-m", "ruff", "format", "--check", "--no-cache", cwd=path)
    sources = "".join(file.read_text() for file in sorted(path.rglob("*.py")))

    def check(_: Path) -> None:
        mypy = ("mypy", f"--python-version={python}", f"--cache-dir={mypy_cache}")
        run(sys.executable, "-m", *mypy, cwd=path)

    # Most answers are in no Python file.
    made_once(mypy_cache / sha256(f"{python}{sources}".encode()).hexdigest(), check)


@pytest.fixture(scope="session")
def mypy_cache(shared: Path) -> Path:
    """What mypy knows of the libraries, once for all projects."""
    cache = shared / "mypy"
    cache.mkdir(exist_ok=True)
    return cache


def files(project: Project) -> Iterator[Path]:
    """Every file that was rendered."""
    return (path for path in project.path.rglob("*") if path.is_file())


def parse(path: Path) -> None:
    """Read a file in its own format, where it has one."""
    text = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".toml":
            tomllib.loads(text)
        case ".yml" | ".yaml":
            yaml.safe_load(text)
        case ".ini":
            configparser.ConfigParser(interpolation=None).read_string(text)
        case ".py":
            compile(text, path, "exec", dont_inherit=True)
