"""Fixtures: the template, and projects rendered from it."""

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import COPIER_SETTINGS, ROOT, Project, commit, python_of, run
from pytest_copie.plugin import Copie
from releases import Releases
from rendered import Render, copied
from server import Database
from shared import made_once


@pytest.fixture(scope="session", autouse=True)
def _nobodys_settings() -> None:
    """Whoever runs the tests has Copier settings of their own, which must not matter."""
    os.environ["COPIER_SETTINGS_PATH"] = str(COPIER_SETTINGS)


@pytest.fixture(scope="session")
def template(shared: Path) -> Path:
    """A repository with the template as it stands in the working tree, committed."""

    def make(repository: Path) -> None:
        repository.mkdir()
        shutil.copy(ROOT / "copier.yml", repository)
        shutil.copytree(
            ROOT / "template",
            repository / "template",
            ignore=shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", "uv.lock"),
        )
        commit(repository)

    return made_once(shared / "template", make)


@pytest.fixture(scope="session")
def rendered(copie_session: Copie, template: Path, tools: Path, shared: Path) -> Render:
    """Renders the template with some answers, once for each set. For looking at only."""

    def render(**answers: Any) -> Project:
        key = hashlib.sha256(repr(sorted(answers.items())).encode()).hexdigest()[:16]

        def make(path: Path) -> None:
            shutil.move(copied(copie_session, template, **answers).path, path)

        path = made_once(shared / f"rendered-{key}", make)
        remembered = yaml.safe_load((path / ".copier-answers.yml").read_text())
        return Project(path, remembered["package_name"], tools=tools)

    return render


@pytest.fixture(scope="session")
def releases(shared: Path) -> Releases:
    """Every release and the working tree, and what they render."""
    return Releases.all(shared / "releases")


@pytest.fixture(scope="session")
def tools(copie_session: Copie, template: Path, shared: Path) -> Path:
    """A project's virtual environment, compiled. Projects begin with it, so that not every one
    compiles a hundred thousand lines; `uv run` then puts the project itself into it.
    """

    def make(path: Path) -> None:
        shutil.move(copied(copie_session, template).path, path)
        run("uv", "venv", "--quiet", "--relocatable", cwd=path)
        run("uv", "sync", "--quiet", "--compile-bytecode", cwd=path)
        # By the hash of the source, so that copies of projects can take it (Project.copy).
        by_hash = ("--invalidation-mode", "checked-hash")
        run(python_of(path), "-m", "compileall", "-q", *by_hash, "packages", cwd=path)

    return made_once(shared / "tools", make) / ".venv"


@pytest.fixture
def render(rendered: Render, tmp_path: Path, database: Database) -> Render:
    """Renders a project that the test may change, with an empty database."""

    def render(**answers: Any) -> Project:
        number = len(list(tmp_path.glob("project*")))
        return rendered(**answers).copy(tmp_path / f"project{number}", **database.environment)

    return render


@pytest.fixture(scope="session")
def with_drivers(rendered: Render, shared: Path) -> Project:
    """A default project with all drivers. Tests make copies of it."""

    def make(path: Path) -> None:
        project = rendered().copy(path)
        project.run("uv", "add", "--quiet", "psycopg[binary]", "psycopg2-binary")
        for found in path.glob(".venv/lib/*/site-packages/psycopg*"):  # as in `tools`
            run(path / ".venv" / "bin" / "python", "-m", "compileall", "-q", found, cwd=path)

    path = made_once(shared / "with-drivers", make)
    return replace(rendered(), path=path, tools=path / ".venv")


@pytest.fixture(scope="session")
def service(rendered: Render, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A default project, ready to use. Tests share it, so they leave its files alone."""
    project = rendered().copy(tmp_path_factory.mktemp("service") / "my-service")
    project.run("true")
    return project
