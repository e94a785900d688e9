"""Every release of the template, the working tree as the newest, and projects that are updated from
one to another.
"""

import hashlib
import os
import shutil
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pytest
import yaml
from copier import run_copy
from edit import edit
from project import ROOT, Finished, Project, commit, run, said
from shared import made_once

RELEASES: dict[str, str] = {
    release["version"]: release["commit"]
    for release in tomllib.loads((ROOT / "tests" / "releases.toml").read_text())["release"]
}
OLDEST = next(iter(RELEASES))
WITHOUT_LIBRARY = "1.0.1"  # the last release that renders the machinery into the service's package

WORKING_TREE = "999.0.0"  # what the working tree is called where every release has a tag

# Copier clones and renders in temporary folders, several times for an update.
MEMORY = {"TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else {}

TEMPLATE = ("copier.yml", "template", "updates")  # what Copier reads of the repository

# What belongs to the team once it is written (`_exclude` in copier.yml).
TEAMS = (
    "/README.md",
    "migrations/head.txt",
    "migrations/versions/*",
    "src/*/database/models/note.py",
    "tests/test_note.py",
)


@dataclass
class Updatable(Project):
    """A project in git that some release has made."""

    def update(
        self, version: str = WORKING_TREE, *options: str, trust: bool = True, ok: bool = True
    ) -> Finished:
        """`copier update` to a version."""
        options = ("--trust", *options) if trust else options
        return copier(
            "update",
            "--defaults",
            f"--vcs-ref=v{version}",
            *options,
            cwd=self.path,
            ok=ok,
            environment=self.environment,
        )

    def commit(self) -> None:
        """Commit all that there is."""
        commit(self.path)

    def git(self, *arguments: str) -> str:
        """What a git command prints."""
        return run("git", *arguments, cwd=self.path, environment=self.environment).stdout

    def undo(self) -> None:
        """Take an update back."""
        self.git("reset", "--quiet", "--hard")
        self.git("clean", "--quiet", "-d", "--force")

    @property
    def answers(self) -> dict[str, Any]:
        """What .copier-answers.yml remembers."""
        answers: dict[str, Any] = yaml.safe_load((self.path / ".copier-answers.yml").read_text())
        return answers

    @property
    def source(self) -> Path:
        """The package of the service."""
        return self.path / "src" / self.package

    @property
    def migrate(self) -> Path:
        """The folder of the machinery, before 2.0.0."""
        return self.source / "migrate"

    @property
    def library(self) -> Path:
        """The package of the library, from 2.0.0 on."""
        return self.path / "packages" / "alembic-live" / "src" / "alembic_live"

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a text that a file has once. An empty one is the end of the file."""
        if old:
            edit(self.path / path, old, new)
        else:
            self.write(path, self.read(path) + new)

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_text(text)

    def read(self, path: str) -> str:
        """The text of a file."""
        return (self.path / path).read_text()

    def files(self, *, teams: bool = False) -> dict[str, bytes]:
        """The template's files by their paths, or the team's."""
        paths = self.git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return {
            path: (self.path / path).read_bytes()
            for path in sorted(set(paths.split("\0")))
            if (self.path / path).is_file() and is_the_teams(path) == teams
        }

    def conflicts(self) -> dict[str, str]:
        """The files that git shows as unmerged: UU both modified, UD deleted by them."""
        lines = self.git("status", "--porcelain", "--untracked-files=no").splitlines()
        return {line[3:]: line[:2] for line in lines if "U" in line[:2]}


@dataclass
class Releases:
    """The template with a tag for each release, and what they render."""

    folder: Path

    @classmethod
    def all(cls, folder: Path, checkout: Path = ROOT) -> Self:
        """Clone this repository, tag the releases, and release the working tree.

        Fails where this is a shallow checkout and the rest cannot be fetched.
        """
        made_once(folder, lambda folder: cls(folder)._make(checkout))
        return cls(folder)

    def _make(self, checkout: Path) -> None:
        self.folder.mkdir()
        clone = ("git", "clone", "--quiet", "--no-checkout", checkout, self.repository)
        run(*clone, cwd=checkout)
        if not self.are_there():  # a shallow checkout, as CI makes it
            origin = ("git", "remote", "get-url", "origin")
            remote = run(*origin, cwd=checkout, ok=False).stdout.strip() or "origin"
            fetch = ("git", "fetch", "--quiet", "--unshallow", remote)
            run(*fetch, cwd=self.repository, ok=False)
        if not self.are_there():
            pytest.fail(
                "Tests of updates render every release, and this checkout does not have the commits "
                "that tests/releases.toml names. Get them: git fetch --unshallow",
                pytrace=False,
            )
        for version, revision in RELEASES.items():
            run("git", "tag", "--force", f"v{version}", revision, cwd=self.repository)
        for name in TEMPLATE:
            copy = shutil.copytree if (checkout / name).is_dir() else shutil.copy
            copy(checkout / name, self.repository / name)
        self.release(WORKING_TREE)

    @property
    def repository(self) -> Path:
        """The template, for Copier."""
        return self.folder / "template"

    def are_there(self) -> bool:
        """Whether the repository has the commit of every release."""
        history = ("git", "rev-list", "--no-walk", *RELEASES.values())
        return run(*history, cwd=self.repository, ok=False).returncode == 0

    def fork(self, folder: Path) -> Self:
        """The same releases in a repository that a test may change."""
        fork = type(self)(folder)
        shutil.copytree(self.repository, fork.repository, symlinks=True)
        return fork

    def release(self, version: str) -> None:
        """Commit the template as it stands, and tag it."""
        commit(self.repository)
        run("git", "tag", "--force", f"v{version}", cwd=self.repository)

    def configuration(self, version: str = WORKING_TREE) -> dict[str, Any]:
        """A version's copier.yml."""
        show = ("git", "show", f"v{version}:copier.yml")
        text = run(*show, cwd=self.repository).stdout
        configuration: dict[str, Any] = yaml.safe_load(text)
        return configuration

    def made(self, version: str = WORKING_TREE, **answers: Any) -> Updatable:
        """A project as a version renders it, committed. For copying and looking at only.

        Without a web application, which no update adds to a project.
        """
        answers = {"web": "none"} | answers

        def make(path: Path) -> None:
            run_copy(
                str(self.repository),
                path,
                data=answers,
                vcs_ref=f"v{version}",
                defaults=True,
                quiet=True,
            )
            commit(path)

        key = repr((version, sorted(answers.items())))
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        project = Updatable(made_once(self.folder / f"project-{name}", make), "")
        return replace(project, package=project.answers["package_name"])


def is_the_teams(path: str) -> bool:
    """Whether a file belongs to the team once it is written."""
    return any(Path("/", path).match(pattern) for pattern in TEAMS)


def copier(
    *arguments: str | Path,
    cwd: Path,
    ok: bool = True,
    traceback: bool = False,
    environment: dict[str, str] | None = None,
) -> Finished:
    """A command of Copier's. It may end in Copier's traceback only if a test expects one."""
    command = (sys.executable, "-m", "copier", *arguments)
    done = run(*command, cwd=cwd, ok=ok, environment=MEMORY | (environment or {}))
    assert traceback or "Traceback" not in said(done), said(done)
    return done
