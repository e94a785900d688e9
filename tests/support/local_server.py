"""Servers that `db start` starts, each for one project."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from dotenv import dotenv_values
from project import Project
from server import Database


def database_of(project: Project) -> Database:
    """The database that the project's .env names."""
    return Database.of(dotenv_values(project.path / ".env"))


def server_of(project: Project) -> psutil.Process:
    """The process that the project's pid file names."""
    pid_file = project.path / ".postgres" / "data" / "postmaster.pid"
    return psutil.Process(int(pid_file.read_text().split()[0]))


@contextmanager
def server_of_its_own(
    project: Project, folder: Path, **settings: str
) -> Iterator[tuple[Project, Database]]:
    """A copy of a project with its own server and settings."""
    copy = project.copy(folder / "own", **project.environment, **settings)
    copy.db("start")
    try:
        yield copy, Database.of(dotenv_values(copy.path / ".env") | settings)
    finally:
        copy.db("stop")
        shutil.rmtree((copy.path / ".postgres").resolve())
