"""A rendered project, used the way a person uses it: by its commands."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import prefork

Finished = subprocess.CompletedProcess[str]

ROOT = Path(__file__).parents[2]

COPIER_SETTINGS = Path(__file__).with_name("copier-settings.yml")

PATIENCE = 300  # seconds that a command may take

_furnishing = threading.Lock()

# What a person's terminal has not, or what would lead a project to somebody else's things.
_FOREIGN = re.compile(
    r"DB_|PG(?!_BIN)|VIRTUAL_ENV|PYTEST_|COPIER_|UV_PROJECT|PYTHONDONTWRITEBYTECODE"
)


def clean_environment() -> dict[str, str]:
    """The environment of a person's terminal."""
    environment = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    # The interpreter that runs the tests, so that a run under 3.12 is one of 3.12.
    python = str(getattr(sys, "_base_executable", sys.executable))
    return environment | {"UV_PYTHON": python, "COPIER_SETTINGS_PATH": str(COPIER_SETTINGS)}


def run(
    *command: str | Path, cwd: Path, ok: bool = True, environment: dict[str, str] | None = None
) -> Finished:
    """Run a command and wait; with `ok` it has to succeed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
        env=clean_environment() | (environment or {}),
    )
    return finished(command, done, ok=ok)


def finished(command: Sequence[str | Path], done: Finished, *, ok: bool) -> Finished:
    """A command that has ended; with `ok` it has to have succeeded."""
    if ok and done.returncode != 0:
        raise AssertionError(f"{command} exits with {done.returncode}:\n{said(done)}")
    return done


def commit(repository: Path) -> None:
    """Make a folder a git repository where it is none, and commit everything in it."""
    run("git", "init", "--quiet", "--initial-branch=main", cwd=repository)
    run("git", "add", "--all", cwd=repository)
    run(
        "git", "-c", "user.name=Test", "-c", "user.email=test@example.com",
        "commit", "--quiet", "--allow-empty", "--message=As it stands", cwd=repository,
    )  # fmt: skip


def said(done: Finished) -> str:
    """All that a command printed."""
    return done.stdout + done.stderr


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def python_of(folder: Path) -> Path:
    """The Python of a project's virtual environment."""
    return folder / ".venv" / "bin" / "python"


@dataclass
class Project:
    """One rendered project."""

    path: Path
    package: str
    environment: dict[str, str] = field(default_factory=dict)
    tools: Path | None = None  # the virtual environment that its own is a copy of

    def given(self, **environment: str) -> Self:
        """The same project with more variables in its environment."""
        return replace(self, environment=self.environment | environment)

    @property
    def library(self) -> Path:
        """The library's package, which a test may edit."""
        return self.path / "packages" / "alembic-live" / "src" / "alembic_live"

    @property
    def sources(self) -> list[Path]:
        """The folders that imports look in first."""
        return [self.path / "src", self.library.parent]

    def environ(self) -> dict[str, str]:
        """The variables of a program that it runs, beside those of a person's terminal."""
        return self.environment

    def run(self, *command: str | Path, ok: bool = True, cwd: Path | None = None) -> Finished:
        """`uv run <command>` in the project's folder, or in another."""
        if command[0] == "uv":
            self.furnish()
            self.tools = None  # from here on it has libraries of its own
        python = self.forking_python() if prefork.enabled else None
        if command[0] in ("alembic", "db") and python:
            done = prefork.run(
                python,
                [str(word) for word in command],
                [str(folder) for folder in self.sources],
                cwd or self.path,
                clean_environment() | self.environment,
            )
            return finished(command, done, ok=ok)
        if command[0] in ("python", "ruff") and python:
            program = python.with_name(str(command[0]))
            path = {"PYTHONPATH": os.pathsep.join(map(str, self.sources))}
            return run(
                program,
                *command[1:],
                cwd=cwd or self.path,
                ok=ok,
                environment=path | self.environment,
            )
        return self.run_typed(*command, ok=ok, cwd=cwd)

    def run_typed(self, *command: str | Path, ok: bool, cwd: Path | None) -> Finished:
        """Run a command as a person types it."""
        self.furnish()
        done = run(
            "uv", "run", "--quiet", "--project", self.path, *command,
            cwd=cwd or self.path,
            ok=False,
            environment=self.environ(),
        )  # fmt: skip
        return finished(command, done, ok=ok)

    def program(self, name: str) -> Path:
        """A program of the project's environment, in which the project itself is."""
        environment = self.furnish()
        links = environment.glob(f"lib/python*/site-packages/{self.package}.pth")
        if not any(str(self.path) in link.read_text() for link in links):
            self.run("true")
        return environment / "bin" / name

    def furnish(self) -> Path:
        """The project's virtual environment. It has eight thousand files, so a project only gets one
        when something needs it; `uv run` then puts the project itself into it.
        """
        environment = self.path / ".venv"
        with _furnishing:
            if self.tools and not environment.exists():
                shutil.copytree(self.tools, environment, symlinks=True, copy_function=os.link)
        return environment

    def forking_python(self) -> Path | None:
        """The one that has the libraries of the project, where commands need not be typed."""
        if self.tools is None or "UV_PYTHON" in self.environment:
            return None
        return self.tools / "bin" / "python"

    def begin(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a program of the project's environment and leave it running. It is the program
        itself, so what is killed is not uv.
        """
        return subprocess.Popen(
            [self.program(program), *arguments],
            cwd=self.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean_environment() | self.environ(),
        )

    def alembic(self, *arguments: str, ok: bool = True) -> Finished:
        """`uv run alembic <arguments>`."""
        return self.run("alembic", *arguments, ok=ok)

    def db(self, *arguments: str, ok: bool = True, cwd: Path | None = None) -> Finished:
        """`uv run db <arguments>`."""
        return self.run("db", *arguments, ok=ok, cwd=cwd)

    def file(self, pattern: str) -> Path:
        """The one file that matches a pattern."""
        [found] = self.path.glob(pattern)
        return found

    def write_model(self, name: str, source: str) -> None:
        """Write a module of models, as a person does."""
        (self.models / f"{name}.py").write_text(source)

    @property
    def models(self) -> Path:
        """The folder of the models."""
        return self.path / "src" / self.package / "database" / "models"

    @property
    def versions(self) -> list[Path]:
        """The revisions, oldest first."""
        return sorted((self.path / "migrations" / "versions").glob("*.py"))

    def copy(self, to: Path, **environment: str) -> Self:
        """The same project in another folder, with an environment of its own."""
        shutil.copytree(self.path, to, ignore=shutil.ignore_patterns(".venv", ".postgres*", ".env"))
        copied = replace(self, path=to, environment=environment)
        if self.tools and copied.library.is_dir():
            copied.take_bytecode_of(replace(self, path=self.tools.parent))
        return copied

    def take_bytecode_of(self, compiled: "Project") -> None:
        """Take the compiled modules of another project's library: it has nineteen thousand lines."""
        for folder in compiled.library.rglob("__pycache__"):
            to = self.library / folder.relative_to(compiled.library)
            if to.parent.is_dir() and not to.exists():
                shutil.copytree(folder, to, copy_function=os.link)
