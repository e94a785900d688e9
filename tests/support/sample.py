"""A small project beside the library: what a team writes that uses it without the template.

It has no virtual environment and runs in that of the tests.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import alembic_live
from edit import edit
from project import Finished, Project, finished, run

SAMPLE = Path(__file__).with_name("sample")
LIBRARY = Path(alembic_live.__file__).parent
PACKAGE = "my_service"

NewProject = Callable[..., Project]


@dataclass
class Sample(Project):
    """One copy of the project."""

    @property
    def library(self) -> Path:
        """A copy of the library that the project runs with, made when it is first asked for: a test
        may edit it.
        """
        folder = self.path / "library" / LIBRARY.name
        if not folder.exists():
            shutil.copytree(LIBRARY, folder)  # with its bytecode, which knows a source by its time
        return folder

    @property
    def sources(self) -> list[Path]:
        """The folders that imports look in first."""
        own = self.path / "library"
        return [self.path / "src", *([own] if own.exists() else [])]

    def environ(self) -> dict[str, str]:
        """The environment of a program that it runs."""
        return {"PYTHONPATH": os.pathsep.join(map(str, self.sources))} | self.environment

    def program(self, name: str) -> Path:
        """A program of the tests' environment."""
        return Path(sys.executable).with_name(name)

    def forking_python(self) -> Path | None:
        """That of the tests."""
        return Path(sys.executable)

    def run_typed(self, *command: str | Path, ok: bool, cwd: Path | None) -> Finished:
        """Run a program of the tests' environment."""
        program, *arguments = command
        done = run(
            self.program(str(program)),
            *arguments,
            cwd=cwd or self.path,
            ok=False,
            environment=self.environ(),
        )
        return finished(command, done, ok=ok)


def write_sample(
    folder: Path,
    *,
    package_name: str = PACKAGE,
    database_schema: str = "public",
    example: bool = True,
    **environment: str,
) -> Project:
    """Write the project into a new folder.

    Args:
        folder: the folder.
        package_name: what the package is called.
        database_schema: where the tables live.
        example: whether it has a model and a revision.
        environment: the variables of its commands.
    """
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    project = Sample(folder, package_name, environment)
    if package_name != PACKAGE:
        (folder / "src" / PACKAGE).rename(folder / "src" / package_name)
        for name in (
            "alembic.ini",
            "migrations/env.py",
            f"src/{package_name}/database/__init__.py",
        ):
            edit(folder / name, PACKAGE, package_name)
    if database_schema != "public":
        database = folder / "src" / package_name / "database" / "__init__.py"
        edit(database, "MetaData(\n", f'MetaData(\n    schema="{database_schema}",\n')
        declared = f"version_table_schema = {database_schema}\nenv_file"
        edit(folder / "alembic.ini", "env_file", declared)
        if example:
            _move_notes(project.versions[0], database_schema)
    if not example:
        for path in (
            project.models / "note.py",
            project.versions[0],
            folder / "migrations/head.txt",
        ):
            path.unlink()
    return project


def _move_notes(revision: Path, schema: str) -> None:
    named = f'schema="{schema}"'
    edit(revision, 'pk_notes")),\n', f'pk_notes")),\n        {named},\n')
    edit(revision, "unique=False,\n", f"unique=False,\n        {named},\n")
    edit(revision, 'table_name="notes")', f'table_name="notes", {named})')
    edit(revision, 'op.drop_table("notes")', f'op.drop_table("notes", {named})')
