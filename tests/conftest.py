"""Fixtures: the template, projects rendered from it, and a Postgres server."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import prefork
import pytest
import yaml
from dotenv import dotenv_values
from project import COPIER_SETTINGS, ROOT, Project, commit, run
from pytest_copie.plugin import Copie
from releases import Releases
from server import Database
from shared import made_once, shared_folder

Render = Callable[..., Project]
Using = Callable[[str, Project], Project]


def pytest_configure(config: pytest.Config) -> None:
    """The suite takes the same generated cases each time, its long form new ones."""
    hypothesis.settings.register_profile("suite", derandomize=True)
    if config.option.markexpr == "not full":
        hypothesis.settings.load_profile("suite")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests wait for servers and for locks."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def _typed(request: pytest.FixtureRequest) -> None:
    """Whether commands go through `uv run`, as a person types them."""
    prefork.enabled = request.node.get_closest_marker("typed") is None


@pytest.fixture(scope="session", autouse=True)
def _nobodys_settings() -> None:
    """Whoever runs the tests has Copier settings of their own, which must not matter."""
    os.environ["COPIER_SETTINGS_PATH"] = str(COPIER_SETTINGS)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what all workers use."""
    return shared_folder(tmp_path_factory)


@pytest.fixture(scope="session")
def template(shared: Path) -> Path:
    """A repository with the template as it stands in the working tree, committed."""

    def make(repository: Path) -> None:
        repository.mkdir()
        shutil.copy(ROOT / "copier.yml", repository)
        shutil.copytree(ROOT / "template", repository / "template")
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

    return made_once(shared / "tools", make) / ".venv"


def copied(copie: Copie, template: Path, **answers: Any) -> Project:
    """What Copier makes of a template with these answers and the defaults."""
    result = copie.copy(extra_answers=answers, template_dir=template)
    assert result.exception is None, result.exception
    assert result.project_dir is not None
    assert result.answers.items() >= answers.items()  # no answer has a typo
    return Project(result.project_dir, result.answers["package_name"])


@pytest.fixture
def render(rendered: Render, tmp_path: Path, database: Database) -> Render:
    """Renders a project that the test may change, with an empty database of its own."""

    def render(**answers: Any) -> Project:
        number = len(list(tmp_path.glob("project*")))
        return rendered(**answers).copy(tmp_path / f"project{number}", **database.environment)

    return render


@pytest.fixture
def using(request: pytest.FixtureRequest) -> Using:
    """Makes the migrations of a project use a driver, which need not be in its pyproject.toml."""

    def using(driver: str, project: Project) -> Project:
        if driver == "asyncpg":
            return project
        assert not (project.path / ".venv").exists(), "its environment lacks the driver"
        tools = request.getfixturevalue("with_drivers").tools
        return replace(project.given(DB_DRIVER_SYNC=driver), tools=tools)

    return using


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


@pytest.fixture(scope="session")
def server(service: Project) -> Iterator[Database]:
    """A server: the one of the DB_* variables where they are set, else what `db start` starts."""
    if "DB_HOST" in os.environ:
        yield Database.of(os.environ)
        return
    service.db("start")
    try:
        server = Database.of(dotenv_values(service.path / ".env"))
        server.make_unsafe()
        yield server
    finally:
        service.db("stop")
        shutil.rmtree((service.path / ".postgres").resolve())


@pytest.fixture
def database(server: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database, named after the test."""
    name = re.sub(r"\W+", "_", request.node.name)[:40]
    with server.another(f"{name}_{os.getpid()}") as database:
        yield database
